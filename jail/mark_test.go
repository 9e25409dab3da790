package jail

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// Where events look for the bans on their host they find what the table of
// prefixes has: bans of hosts, of networks that they were widened to, by hand,
// and of an ipv6prefix that was changed.
func TestEventsFindTheBansOnTheirHost(t *testing.T) {
	wide := Config{Name: "wide", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 3, BanTime: time.Minute, Widen: 3, Guard: Guard{Off: true}}
	narrow := Config{Name: "narrow", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 5, BanTime: 2 * time.Minute, IPv6Prefix: 56, IgnoreIP: []string{"2001:db8:1:100::7"}, Guard: Guard{Off: true}}
	met := map[string]int{}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := mustSet(t, wide, narrow)
		at := t0
		for range 3000 {
			at = at.Add(time.Duration(r.IntN(200)) * time.Millisecond)
			switch host := closeHost(r); r.IntN(200) {
			case 0:
				p, _ := host.Prefix(host.BitLen() - 8*r.IntN(3))
				if _, err := s.Ban(at, ManualBan{Prefix: p, For: time.Minute, Force: true}); err != nil {
					t.Fatal(err)
				}
			case 1:
				narrow.IPv6Prefix = []int{48, 56, 64, 128}[r.IntN(4)]
				if _, err := s.Reconfigure(at, []Config{wide, narrow}); err != nil {
					t.Fatal(err)
				}
			case 2:
				s.Unban(at, netip.PrefixFrom(host, host.BitLen()))
			case 3:
				s = restarted(t, s)
			default:
				ev := light(at, host)
				s.Observe(ev)
				var x sighting
				s.places = s.places[:0]
				s.prepare(&x, &ev)
				for i := range s.places {
					p := &s.places[i]
					j := s.jails[p.jail]
					out, _ := s.prefixes.table.Lookup(host)
					want := out.by(j)
					found, got := s.banOn(&x, j, j.hosts.along(j.index.of(p.hash).id, &p.key))
					if got != (want != nil) || got && (found.since != want.at || found.host != keyOf(want.Prefix)) {
						t.Fatalf("seed %d: %s finds %v %v for %v, want %v", seed, j.cfg.Name, got, found, host, want)
					} else if want != nil {
						met[want.Prefix.Addr().String()[:3]+j.cfg.Name]++
						if !j.usual(want.Prefix) {
							met["odd"]++
						}
					}
				}
			}
		}
	}
	for _, kind := range []string{"192wide", "192narrow", "200wide", "200narrow", "odd"} {
		if met[kind] < 100 {
			t.Errorf("%d bans of kind %s were met: too few to test anything", met[kind], kind)
		}
	}
}

// closeHost is one of a few hosts of a few networks.
func closeHost(r *rand.Rand) netip.Addr {
	if r.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{192, 0, byte(r.IntN(3)), byte(r.IntN(9))})
	}
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(r.IntN(3)), byte(r.IntN(3)), 15: byte(r.IntN(9))})
}
