package agent

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/sources"
)

// TestMakeSource makes the source that a configuration asks for.
func TestMakeSource(t *testing.T) {
	for _, c := range []struct {
		spec config.Source
		want string // what the source calls itself
	}{
		{config.Source{Name: "a", Files: []string{"/var/log/x.log"}}, "file /var/log/x.log"},
		{config.Source{Name: "b", Containers: []string{"kubo"}}, "container kubo"},
	} {
		s := &source{spec: c.spec, log: slog.New(slog.DiscardHandler)}
		if err := s.open(""); err != nil {
			t.Errorf("%s: %v", c.spec.Name, err)
			continue
		}
		reads, _ := s.now()
		if got := reads.String(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s reads %q, want %q", c.spec.Name, got, c.want)
		}
		if _, ok := reads.(sources.Reporter); !ok {
			t.Errorf("%s does not report", c.spec.Name)
		}
	}
}
