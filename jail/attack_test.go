package jail

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/p2pban/p2pban/parser"
)

// bansOf are the bans among decisions.
func bansOf(list []Decision) []Decision {
	var out []Decision
	for _, d := range list {
		if d.Action == Ban {
			out = append(out, d)
		}
	}
	return out
}

// light is one failure.
func light(at time.Time, host netip.Addr) parser.Event {
	return parser.Event{Time: at, Rule: "r", Host: host, Weight: 1}
}

// An attacker who owns many addresses tries to push the one he floods from out
// of a small table by sending from a thousand others between any two of its
// events. It is banned on the very event it would be banned on without them.
func TestAttackRotationDoesNotEvictTheFlooder(t *testing.T) {
	s := mustSet(t, Config{
		Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 90, BanTime: time.Hour,
		MaxHosts: 1000, Guard: Guard{Off: true},
	})
	next, flooder := uint32(0), netip.MustParseAddr("192.0.2.1")
	at := t0
	for i := 1; i <= 90; i++ {
		if i > 12 { // from an eighth of maxretry on it is above the others
			for range 1000 {
				next++
				at = at.Add(time.Microsecond)
				s.Observe(light(at, hostN(next)))
			}
		}
		bans := bansOf(s.Observe(light(at, flooder)))
		if (len(bans) == 1) != (i == 90) {
			t.Fatalf("event %d of the flooder: %v", i, bans)
		}
	}
	if c, _ := s.Counts("j"); c.Hosts > 1000 || c.Evicted == 0 {
		t.Fatalf("%d hosts tracked, %d evicted", c.Hosts, c.Evicted)
	}
}

// A /64 sprayed at random is one host: one ban, and one host's memory.
func TestAttackSprayedNetworkIsOneHost(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 500, BanTime: time.Hour})
	r := rand.New(rand.NewPCG(1, 64))
	var bans []Decision
	for i := range 100_000 {
		b := netip.MustParseAddr("2001:db8:0:1::").As16()
		for k := 8; k < 16; k++ {
			b[k] = byte(r.Uint32())
		}
		bans = append(bans, bansOf(s.Observe(parser.Event{Time: t0.Add(time.Duration(i)), Rule: "r", Host: netip.AddrFrom16(b), Weight: 1}))...)
		if c, _ := s.Counts("j"); c.Hosts > 1 {
			t.Fatalf("%d hosts tracked", c.Hosts)
		}
	}
	if len(bans) != 1 || bans[0].Failures != 500 || bans[0].Prefix != netip.MustParsePrefix("2001:db8:0:1::/64") {
		t.Fatalf("bans: %v", bans)
	}
}

// Spread over the /64s of a /48 it is one network as soon as bans widen.
func TestAttackManyNetworksWiden(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 2, BanTime: time.Hour, Widen: 10, Guard: Guard{Off: true}})
	for i := range 65536 {
		for range 2 {
			s.Observe(event(time.Duration(i), fmt.Sprintf("2001:db8:1:%x::1", i), 1))
		}
	}
	c, _ := s.Counts("j")
	if c.InForce != 1 || c.Widened != 1 || c.Bans != 10 {
		t.Fatalf("%+v", c)
	}
}

// A host that stays one failure below maxretry for a day is never banned, and
// never costs more than maxretry lines.
func TestAttackThresholdHugging(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: 3 * time.Minute, MaxRetry: 90, BanTime: time.Hour})
	step := 3*time.Minute/89 + 1 // 89 in any closed 3 minutes
	for at := time.Duration(0); at < 24*time.Hour; at += step {
		if d := s.Observe(event(at, "192.0.2.1", 1)); d != nil {
			t.Fatalf("at %v: %v", at, d)
		}
		if c, _ := s.Counts("j"); c.Lines > 90 {
			t.Fatalf("at %v: %d lines remembered", at, c.Lines)
		}
	}
	if st := s.Host(netip.MustParseAddr("192.0.2.1")); st[0].Failures != 89 {
		t.Fatalf("%+v", st)
	}
	blocks := &s.jails[0].hosts.blocks
	if n := blockLines * len(blocks.chunks) * slabChunk; n > blockLines*slabChunk {
		t.Fatalf("the window takes room for %d lines", n)
	}
	if n := int(blocks.used) - len(blocks.free); n > 90/blockLines+2 {
		t.Fatalf("the window takes %d blocks", n)
	}
}

// Hosts by the thousand that hug the threshold are bounded by maxevents.
func TestAttackManyHuggersAreBounded(t *testing.T) {
	s := mustSet(t, Config{
		Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 100, BanTime: time.Hour,
		MaxHosts: 10_000, MaxEvents: 20_000,
	})
	for i := range 99 {
		for n := range uint32(2000) {
			s.Observe(light(t0.Add(time.Duration(i)*time.Second), hostN(n)))
		}
	}
	c, _ := s.Counts("j")
	if c.Lines > 20_000 || c.Hosts > 10_000 || c.Evicted == 0 {
		t.Fatalf("%+v", c)
	}
}

// Whatever times a log claims, nothing overflows, nothing is banned that has
// not reached maxretry, and what is not counted is counted as late.
func TestAttackClockGames(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: 10 * time.Second, MaxRetry: 3, BanTime: time.Minute})
	victim := "192.0.2.1"
	s.Observe(event(0, victim, 1))
	s.Observe(event(0, victim, 1))
	for _, at := range []time.Time{
		time.Unix(0, 0), time.Unix(-1, 0), time.Unix(math.MinInt64, 0), {},
		t0.Add(-10*time.Second - 1),
	} {
		if d := s.Observe(parser.Event{Time: at, Rule: "r", Host: netip.MustParseAddr(victim), Weight: 1}); d != nil {
			t.Fatalf("%v: %v", at, d)
		}
	}
	if c, _ := s.Counts("j"); c.Late != 5 {
		t.Fatalf("%+v", c)
	}
	// One forged stamp far ahead: the windows behind it are gone, which blinds
	// the jail for what is older, and bans nobody.
	forged := parser.Event{Time: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), Rule: "r", Host: netip.MustParseAddr("192.0.2.66"), Weight: 1}
	if d := s.Observe(forged); d != nil {
		t.Fatal(d)
	}
	if d := s.Observe(event(time.Second, victim, 1)); d != nil {
		t.Fatal(d)
	}
	// At the end of time bans still have an end.
	s.Observe(forged)
	d := bansOf(s.Observe(forged))
	if len(d) != 1 || d[0].Until.IsZero() || d[0].Until.Before(d[0].At) {
		t.Fatalf("%v", d)
	}
}

// Weights can't be added up to a negative number.
func TestAttackWeightOverflow(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: math.MaxInt32, BanTime: time.Minute, NATPeers: 1000})
	for i := range 3 {
		for _, peer := range []string{"A", "B"} {
			ev := event(time.Duration(i), "192.0.2.1", math.MaxInt64)
			ev.Peer = peer
			for _, d := range s.Observe(ev) {
				if d.Failures <= 0 {
					t.Fatalf("%+v", d)
				}
			}
		}
	}
	if c, _ := s.Counts("j"); c.Bans == 0 {
		t.Fatal("never banned")
	}
}

// A storm at one instant: one host's events, and a hundred thousand hosts
// whose bans then all end at one instant, in the order of the hosts.
func TestAttackStormAtOneInstant(t *testing.T) {
	cfg := Config{Name: "j", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 9000, BanTime: time.Minute, Guard: Guard{Off: true}}
	s := mustSet(t, cfg)
	bans := 0
	for range 100_000 {
		bans += len(s.Observe(event(0, "192.0.2.1", 1)))
	}
	if c, _ := s.Counts("j"); bans != 1 || c.Absorbed != 91_000 || c.Hosts != 0 {
		t.Fatalf("%d bans, %+v", bans, c)
	}
	cfg.MaxRetry = 1
	s = mustSet(t, cfg)
	for n := range uint32(100_000) {
		s.Observe(benchEvent(t0, hostN(n)))
	}
	ended := s.Advance(t0.Add(time.Minute))
	if len(ended) != 100_000 {
		t.Fatalf("%d bans ended", len(ended))
	}
	for i := range ended[1:] {
		if !ended[i].Host.Less(ended[i+1].Host) {
			t.Fatalf("%v before %v", ended[i].Host, ended[i+1].Host)
		}
	}
}

// An attacker gains nothing from a restart: neither his window, nor his ban,
// nor what he was banned before is forgotten.
func TestAttackRestartForgetsNothing(t *testing.T) {
	cfg := Config{Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 10, BanTime: time.Minute, Factor: 2}
	s := mustSet(t, cfg)
	at := time.Duration(0)
	for round := range 4 {
		for i := range 10 {
			s = restarted(t, s)
			d := bansOf(s.Observe(event(at, "192.0.2.1", 1)))
			if (len(d) == 1) != (i == 9) {
				t.Fatalf("round %d, event %d: %v", round, i, d)
			}
			if i == 9 {
				want := time.Minute << round
				if got := d[0].Until.Sub(d[0].At); got != want {
					t.Fatalf("ban %d lasts %v, want %v", round, got, want)
				}
				at += want
			}
		}
	}
}
