package jail

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/p2pban/p2pban/parser"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func event(at time.Duration, host string, weight int64) parser.Event {
	return parser.Event{Time: t0.Add(at), Rule: "r", Host: netip.MustParseAddr(host), Weight: weight}
}

func mustSet(t testing.TB, jails ...Config) *Set {
	t.Helper()
	s, err := New(jails, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBanAtMaxretryAndUnbanAtUntil(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: 10 * time.Second, MaxRetry: 3, BanTime: time.Minute})
	for i := range 2 {
		if d := s.Observe(event(time.Duration(i)*time.Second, "192.0.2.1", 1)); d != nil {
			t.Fatalf("event %d: %v", i, d)
		}
	}
	d := s.Observe(event(10*time.Second, "192.0.2.1", 1)) // the first is exactly findtime old
	if len(d) != 1 || d[0].Action != Ban || d[0].Failures != 3 || !d[0].Until.Equal(t0.Add(70*time.Second)) {
		t.Fatalf("got %+v", d)
	}
	if d := s.Advance(t0.Add(70*time.Second - 1)); d != nil {
		t.Fatalf("before until: %+v", d)
	}
	d = s.Advance(t0.Add(70 * time.Second))
	if len(d) != 1 || d[0].Action != Unban || !d[0].At.Equal(t0.Add(70*time.Second)) {
		t.Fatalf("at until: %+v", d)
	}
}

func TestTooManyJails(t *testing.T) {
	jails := make([]Config, MaxJails+1)
	for i := range jails {
		jails[i] = Config{Name: fmt.Sprint("j", i), Rules: []string{"r"}, FindTime: time.Second, MaxRetry: 1, BanTime: time.Second}
	}
	mustSet(t, jails[:MaxJails]...)
	var p *Problem
	if _, err := New(jails, Options{}); !errors.As(err, &p) || p.Jail != "j1000" {
		t.Errorf("one jail more than MaxJails: %v", err)
	}
}
