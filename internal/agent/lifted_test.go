package agent

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
)

// Who restarts instead of reloading is told in the log which bans his changes lift.
func TestStartTellsWhichBansTheConfigurationLifts(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	old := slices.Concat(twoStrikes, twoStrikes)
	old[1].Name = "old-name"
	s, err := jail.New(old, jail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"192.0.2.1", "192.0.2.2", "198.51.100.1"} {
		s.Observe(strike(now, host))
		s.Observe(strike(now, host))
	}
	saved := state.Saved{Bans: slices.Collect(s.InForce())}

	changed := slices.Clone(twoStrikes)
	changed[0].IgnoreIP = []string{"192.0.2.0/24"}
	var told strings.Builder
	next, unbans, err := restoreJails(changed, jail.Options{}, saved, now, slog.New(slog.NewTextHandler(&told, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if left := slices.Collect(next.InForce()); len(left) != 1 || len(unbans) != 5 {
		t.Fatalf("%d bans are left and %d lifted, want 1 and 5", len(left), len(unbans))
	}
	for _, want := range []string{
		"jail old-name is gone, and its bans are lifted: 3",
		"jail two lifts bans of hosts that its ignoreip now names: 2",
	} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, told.String())
		}
	}
}
