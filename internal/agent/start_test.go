package agent

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
)

// TestStartAssertsWhatWasSaved starts on what a daemon leaves that was killed
// after it saved bans and before it brought them to the firewall. They stand
// once it answers, for the time that is left of them; one that has ended does
// not come back.
func TestStartAssertsWhatWasSaved(t *testing.T) {
	l := newLab(t, liveConfig)
	store, _, err := state.Open(filepath.Join(l.dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	forever := netip.MustParsePrefix("198.18.0.0/24")
	ban := func(p netip.Prefix, ago, length time.Duration) jail.Decision {
		return jail.Decision{Jail: jail.Manual, Prefix: p, At: now.Add(-ago), Until: now.Add(length - ago)}
	}
	half, ended := netip.PrefixFrom(hostile, 32), netip.PrefixFrom(honest, 32)
	always := ban(forever, time.Hour, 0)
	always.Until = time.Time{}
	decisions := []jail.Decision{ban(half, 30*time.Minute, time.Hour), ban(ended, 2*time.Hour, time.Hour), always}
	if err := store.SaveDecisions(t.Context(), decisions); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	l.start()
	n, err := firewall.NewNFTables(firewall.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	stand, err := n.Lookup(t.Context(), []netip.Prefix{half, ended, forever})
	if err != nil || len(stand) != 2 || stand[0].Prefix != half || stand[1].Prefix != forever {
		t.Fatalf("%+v, %v; want the bans of %s and %s", stand, err, half, forever)
	}
	if left := time.Until(stand[0].Until); left > 30*time.Minute || left < 28*time.Minute {
		t.Errorf("%s is banned for another %v, want what was left of it, 30 minutes", half, left)
	}
	if !stand[1].Until.IsZero() {
		t.Errorf("the ban for ever ends at %v", stand[1].Until)
	}
}

// TestSocketsThatStay is told which sockets it can't destroy, and why; the ban
// holds all the same.
func TestSocketsThatStay(t *testing.T) {
	l := newLab(t, liveConfig+"\n[firewall]\nkill_sockets = true\nnode_netns = \"/proc/0/ns/net\"\n")
	l.start()
	if _, err := l.client.Ban(t.Context(), control.BanRequest{Target: hostile.String()}); err != nil {
		t.Fatal(err)
	}
	l.wait("the alarm", func() bool {
		s, err := l.client.Status(t.Context())
		return err == nil && s.Firewall.Healthy && slices.ContainsFunc(s.Alarms, func(a control.Alarm) bool {
			return a.Kind == "firewall" && strings.Contains(a.What, "/proc/0/ns/net") && strings.Contains(a.Fix, "node_netns")
		})
	})
	if !inKernel(t, hostile.String()) {
		t.Error("the ban is not in the kernel")
	}
}
