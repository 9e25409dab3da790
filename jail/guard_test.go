package jail

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/p2pban/p2pban/parser"
)

// TestOffendersAlone has a hundred attackers come one after the other on a node
// whose rules print nobody else: all are banned, in every jail whose rules are
// of that kind.
func TestOffendersAlone(t *testing.T) {
	for _, rule := range []string{
		"js-libp2p/threshold", "go-waku/limit",
		"js-libp2p/denied", "py-libp2p/gate", "lighthouse/banned", "grandine/banned",
	} {
		s := mustSet(t, Defaults()...)
		bans, at := 0, t0
		for n := range 100 {
			for range 60 {
				at = at.Add(100 * time.Millisecond)
				host := netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})
				for _, d := range s.Observe(parser.Event{Time: at, Rule: rule, Host: host, Weight: 1}) {
					switch d.Action {
					case Ban:
						bans++
					case Held:
						t.Fatalf("%s: attacker %d is held back by %s", rule, n, d.Jail)
					}
				}
			}
		}
		if bans != 100 {
			t.Errorf("%s: %d bans, want one of each of 100 attackers", rule, bans)
		}
	}
}

// TestBrokenApplication has an application report everybody: of a node's 100
// peers, all of whom are seen, half are banned.
func TestBrokenApplication(t *testing.T) {
	s := mustSet(t, Defaults()...)
	bans := 0
	for _, rule := range []string{"go-libp2p/connection", "go-libp2p/misbehaving"} {
		for n := range 100 {
			for range 10 {
				host := netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})
				for _, d := range s.Observe(parser.Event{Time: t0, Rule: rule, Host: host, Weight: 1}) {
					if d.Action == Ban {
						bans++
					}
				}
			}
		}
	}
	if bans != 50 {
		t.Errorf("%d of 100 peers are banned, want 50", bans)
	}
}

// TestShareOfOneTime holds that hosts banned and hosts seen are counted over the
// same time. Were each counted from when the first came, the ten bans below
// would still count after the hosts have ceased to.
func TestShareOfOneTime(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: 10 * time.Minute, MaxRetry: 2, BanTime: 10 * time.Minute,
		Guard: Guard{Least: 1, Share: 0.5}})
	s.Observe(event(0, "192.0.2.1", 1))
	for n := range 40 {
		s.Observe(event(29*time.Minute, fmt.Sprintf("198.51.100.%d", n), 1))
	}
	for n := range 10 {
		if d := s.Observe(event(29*time.Minute, fmt.Sprintf("198.51.100.%d", n), 1)); len(d) != 1 || d[0].Action != Ban {
			t.Fatalf("ban %d: %v", n, d)
		}
	}
	for n := range 3 {
		s.Observe(event(61*time.Minute, fmt.Sprintf("203.0.113.%d", n), 1))
	}
	d := s.Observe(event(61*time.Minute, "203.0.113.0", 1))
	if len(d) == 0 || d[len(d)-1].Action != Ban {
		t.Errorf("%v: want a ban, the first of the time in which 3 hosts were seen", d)
	}
}

// TestShareOfAllIsNone holds that with a share of 1 only the rate counts.
func TestShareOfAllIsNone(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: 10 * time.Minute, MaxRetry: 1, BanTime: 10 * time.Minute,
		Guard: Guard{Least: 1, Share: 1, Rate: 50}})
	bans := 0
	for n := range 100 {
		for _, d := range s.Observe(event(time.Duration(n)*time.Second, fmt.Sprintf("198.51.100.%d", n), 1)) {
			if d.Action == Ban {
				bans++
			}
		}
	}
	if bans != 90 { // 50 in the first minute, 40 in the second, which has 40 seconds
		t.Errorf("%d bans, want 90", bans)
	}
}

// TestOneCustomerIsOneHost has one who owns a single IPv4 address, or an IPv6 /48,
// send from as many addresses as that gives him: the guard must take him for one
// host, or he would make the number of those seen what he likes.
func TestOneCustomerIsOneHost(t *testing.T) {
	for name, form := range map[string]string{
		"6to4":   "2002:c000:201:%x::1",
		"Teredo": "2001:0:4136:e378:8000:%x:3fff:fdfe", // its server and port are his choice
		"a /48":  "2001:db8:1:%x::1",
	} {
		s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 2, BanTime: time.Hour})
		for i := range 1000 {
			s.Observe(event(0, fmt.Sprintf(form, i), 1))
		}
		if n := s.seen.count(s.clock); n != 1 {
			t.Errorf("%s: %v hosts seen, want 1", name, n)
		}
	}
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 2, BanTime: time.Hour})
	for _, host := range []string{"2002:c000:201::1", "2002:c000:202::1", "2001:0:1::1", "2001:0:1::2", "64:ff9b::1", "64:ff9b::2"} {
		s.Observe(event(0, host, 1))
	}
	if n := s.seen.count(s.clock); n != 6 {
		t.Errorf("%v hosts seen, want the 6 strangers", n)
	}
}
