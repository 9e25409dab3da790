package agent

import (
	"os"
	"testing"
	"time"
)

func TestRateLimit(t *testing.T) {
	shipped, err := os.ReadFile("../../packaging/journald/50-p2pban.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, text string
		want       rateLimit
		tight      bool
	}{
		{"default", "[Journal]\n#RateLimitIntervalSec=1s\n#RateLimitBurst=1\n", rateLimit{30 * time.Second, 10_000}, true},
		{"shipped", string(shipped), rateLimit{time.Second, 1_000_000}, false},
		{"later file", "RateLimitBurst=5\nRateLimitIntervalSec=1min 30s\nRateLimitBurst=7\n", rateLimit{90 * time.Second, 7}, true},
		{"set back", "RateLimitBurst=5\nRateLimitBurst=\nRateLimitIntervalSec=500ms\n", rateLimit{500 * time.Millisecond, 10_000}, false},
		{"seconds", "RateLimitIntervalSec = 2\n", rateLimit{2 * time.Second, 10_000}, true},
		{"off", "RateLimitIntervalSec=0\n", rateLimit{0, 10_000}, false},
		{"no burst", "RateLimitBurst=0\n", rateLimit{30 * time.Second, 0}, false},
	} {
		got := parseRateLimit(test.text, defaultRateLimit, "RateLimitIntervalSec", "RateLimitBurst")
		if got != test.want || got.tight() != test.tight {
			t.Errorf("%s: %+v, tight %v; want %+v, %v", test.name, got, got.tight(), test.want, test.tight)
		}
	}
	// As systemctl shows a unit: with and without limits of its own.
	for text, want := range map[string]rateLimit{
		"LogRateLimitIntervalUSec=1s\nLogRateLimitBurst=1000000\n": {time.Second, 1_000_000},
		"LogRateLimitIntervalUSec=0\nLogRateLimitBurst=0\n":        {},
	} {
		if got := parseRateLimit(text, rateLimit{}, "LogRateLimitIntervalUSec", "LogRateLimitBurst"); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}
