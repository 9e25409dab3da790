package agent

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
)

// A wish says that nothing stands yet for the first ban of a host that events
// bring, and for no other:
// the second jail's, one that comes while another wish waits, one that follows
// its own end, what one of two bans leaves, and one by hand, which may be moved.
func TestFreshWishes(t *testing.T) {
	start := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	e := newEngine(t)
	var err error
	e.jails, err = jail.New([]jail.Config{
		{Name: "first", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 1, BanTime: time.Minute},
		{Name: "second", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 3, BanTime: time.Hour},
	}, jail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := e.enforcers[0]
	see := func(host string, at time.Duration) []jail.Decision {
		return e.jails.Observe(parser.Event{Time: start.Add(at), Rule: "r", Host: netip.MustParseAddr(host), Weight: 1})
	}
	// expect takes what waits; in it are bans of the hosts, fresh or not.
	expect := func(when string, fresh bool, hosts ...string) {
		t.Helper()
		c := f.take()
		for _, host := range hosts {
			i := slices.IndexFunc(c.Set, func(b firewall.Ban) bool { return b.Prefix.Addr() == netip.MustParseAddr(host) })
			if i < 0 || c.Set[i].Fresh != fresh {
				t.Errorf("%s: the change is %+v, want a ban of %s, fresh %v", when, c, host, fresh)
			}
		}
	}

	e.enforce(see("198.51.100.1", 0), true)
	expect("the first jail's ban", true, "198.51.100.1")
	see("198.51.100.1", time.Second)
	e.enforce(see("198.51.100.1", 2*time.Second), true)
	expect("the second jail's ban of the same host", false, "198.51.100.1")

	e.enforce(see("198.51.100.2", 10*time.Second), true)
	expect("another host's", true, "198.51.100.2")
	e.enforce(see("198.51.100.2", 80*time.Second), true)
	expect("a ban and the end of the one before, and the end of one of two bans", false, "198.51.100.2", "198.51.100.1")

	e.enforce(see("198.51.100.3", 81*time.Second), true)
	f.take()
	e.enforce(e.jails.Advance(start.Add(150*time.Second)), false)
	e.enforce(see("198.51.100.3", 150*time.Second), true)
	expect("a ban that came while the end of the one before waited", false, "198.51.100.3")

	e.enforce(byHand(t, e, 1), false)
	expect("a ban by hand", false, "198.51.0.0")
}
