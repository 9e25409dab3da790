package attack

import (
	"bytes"
	"strings"
	"testing"
)

func TestMainRefuses(t *testing.T) {
	target := "/ip4/127.0.0.1/tcp/9/p2p/12D3KooW9yPfBhW9xnueBovYM1PmjqLWxSwc5iq5nYokKxdc5bfH"
	for _, c := range []struct{ args, want string }{
		{"", "NAME is one of churn, "},
		{"attack", "NAME is one of"},
		{"attack honesty -target " + target, `not "honesty"`},
		{"attack churn", "churn: no -target"},
		{"honest -rate -1 -target " + target, "must not be negative"},
		{"attack churn -target " + target + " now", `unexpected argument "now"`},
		{"attack churn -target /ip4/127.0.0.1/tcp/9", "ends in /p2p/ID"},
		{"attack quic-churn -target " + target, "is reached over [quic-v1]"},
		{"attack churn -source ::1 -target " + target, "no source is of the family of a target"},
		{"attack inject-alpn -target " + target, "want an innocent to name"},
		{"attack relayed -target " + target, "want a relay and a target"},
		{"attack spray64 -target " + target, "two sources or more"},
	} {
		var out bytes.Buffer
		err := Main(t.Context(), strings.Fields(c.args), &out)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want one with %q", c.args, err, c.want)
		}
	}
}

func TestMainExplains(t *testing.T) {
	for _, a := range All() {
		args := []string{"attack", a.Name, "-h"}
		var out bytes.Buffer
		if err := Main(t.Context(), args, &out); err != nil {
			t.Errorf("%s -h: %v", a.Name, err)
		}
		if !strings.HasPrefix(out.String(), a.Name+": "+a.Doc) || !strings.Contains(out.String(), "-innocent address") {
			t.Errorf("%s -h says %s", a.Name, out.String())
		}
	}
}
