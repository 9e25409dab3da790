package agent

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
)

// Who restarts instead of reloading is told in the log which bans his changes lift, and
// nobody that he changed what he did not.
func TestStartTellsWhichBansItLifts(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	old := slices.Concat(twoStrikes, twoStrikes)
	old[1].Name = "old-name"
	s, err := jail.New(old, jail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"192.0.2.1", "192.0.2.2", "198.51.100.1", "198.51.100.2"} {
		s.Observe(strike(now, host))
		s.Observe(strike(now, host))
	}
	saved := state.Saved{Bans: slices.Collect(s.InForce())}

	changed := slices.Clone(twoStrikes)
	changed[0].IgnoreIP = []string{"192.0.2.0/24"}
	var told strings.Builder
	own := map[string][]netip.Prefix{"own addresses": {netip.MustParsePrefix("198.51.100.1/32")}}
	next, unbans, err := restoreJails(changed, jail.Options{Protected: own}, saved, now, slog.New(slog.NewTextHandler(&told, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if left := slices.Collect(next.InForce()); len(left) != 1 || len(unbans) != 7 {
		t.Fatalf("%d bans are left and %d lifted, want 1 and 7", len(left), len(unbans))
	}
	for _, want := range []string{
		`msg="bans are lifted" jail=old-name bans=4 prefixes="192.0.2.1/32, 192.0.2.2/32, 198.51.100.1/32, 198.51.100.2/32" cause="the jail is gone"`,
		`msg="bans are lifted" jail=two bans=3 prefixes="192.0.2.1/32, 192.0.2.2/32, 198.51.100.1/32" cause="they take in what ignoreip names now, or what is protected: `,
	} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, told.String())
		}
	}
}
