package jail

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestNeighbourOfFriend bans who has a /64 of his own beside a protected or an
// ignored address, however many of its addresses he uses: a jail that judges by a
// wider prefix steps back to the /64 first, and to single addresses only within
// the friend's own.
func TestNeighbourOfFriend(t *testing.T) {
	friend := netip.MustParseAddr("2a01:db8:0:aa00::1")
	const beside, inside = "2a01:db8:0:aa01::%x", "2a01:db8:0:aa00::%x"
	for name, newSet := range map[string]func(Config) (*Set, error){
		"protected": func(c Config) (*Set, error) {
			return New([]Config{c}, Options{Protected: map[string][]netip.Prefix{"own addresses": {netip.PrefixFrom(friend, 128)}}})
		},
		"ignored": func(c Config) (*Set, error) {
			c.IgnoreIP = []string{friend.String()}
			return New([]Config{c}, Options{})
		},
	} {
		s, err := newSet(Config{Name: "churn", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 20, BanTime: time.Hour, IPv6Prefix: 56})
		if err != nil {
			t.Fatal(err)
		}
		at := time.Duration(0)
		seen := func(form string) (bans []netip.Prefix) {
			for i := range 20 {
				at += time.Second
				for _, d := range s.Observe(event(at, fmt.Sprintf(form, 0x100+i), 1)) {
					bans = append(bans, d.Prefix)
				}
			}
			return bans
		}
		if bans := seen(inside); len(bans) != 0 {
			t.Errorf("%s: twenty addresses in the friend's /64 are one host: %v", name, bans)
		}
		if bans := seen(beside); len(bans) != 1 || bans[0] != netip.MustParsePrefix("2a01:db8:0:aa01::/64") {
			t.Fatalf("%s: twenty addresses of the neighbour's /64: %v, want a ban of it", name, bans)
		}
		at += time.Minute
		if seen(beside); s.jails[0].counts.AfterBan != 20 {
			t.Errorf("%s: %d events after the ban, want 20", name, s.jails[0].counts.AfterBan)
		}
		lifted := s.Unban(t0.Add(at), netip.MustParsePrefix("2a01:db8:0:aa01::7/128"))
		if len(lifted) != 1 || lifted[0].Action != Unban || lifted[0].Prefix != netip.MustParsePrefix("2a01:db8:0:aa01::/64") {
			t.Errorf("%s: unban of one of its addresses lifts %v, want its /64", name, lifted)
		}
	}
}
