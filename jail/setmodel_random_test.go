package jail

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/p2pban/p2pban/parser"
)

// pair is a Set beside the naive one. again does as the Set, but is restarted now and
// then and given events many at once; small has bounds and a guard, and only has to
// stay sound.
type pair struct {
	s, again, small *Set
	model           *setModel
	seed            uint64
	// findTimes are how long the jails' windows were at least: a longer one would
	// remember what may have been swept.
	findTimes map[string]time.Duration
}

var (
	wholeHosts = []string{
		"192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.1", "198.51.100.2", "203.0.113.9",
		"2a00:1:2:3::1", "2a00:1:2:3::2", "2a00:1:2:4::1", "2a00:1:2:104::1", "2a00:1:9:4::1", "2a00:1:9:4:8::1",
		"2002:c000:201::1", "2002:c000:201:7::1", "2001:0:1:2:3::1", "2001:0:1:2:3::2", "64:ff9b::c000:201",
	}
	wholePeers = []string{"12D3KooWGRUkUgpM9eYcgGbGY8Qjrrg8jTjQp1nsAEVMsnVn4LGu", "A", "B", "C"}
)

// configs are random jails, some of a, b and c.
func (w *pair) configs(r *rand.Rand) (out []Config) {
	for _, name := range []string{"a", "b", "c"} {
		if r.IntN(6) == 0 && len(out) > 0 {
			continue
		}
		find := time.Duration(10+r.IntN(300)) * time.Second
		if was, ok := w.findTimes[name]; ok {
			find = min(find, was)
		}
		w.findTimes[name] = find
		c := Config{
			Name: name, Rules: pick(r, []string{"r"}, []string{"r", "q"}, []string{"q", "r"}, []string{"q"}),
			FindTime: find, MaxRetry: int64(1 + r.IntN(40)), BanTime: pick(r, 20*time.Second, time.Minute, 10*time.Minute, Forever),
			Factor: pick(r, 1.0, 1, 2, 1.5), Memory: pick(r, time.Minute, 10*time.Minute),
			IPv6Prefix: pick(r, 64, 64, 56, 48, 128, 32), Widen: pick(r, 0, 0, 2, 3), Guard: Guard{Off: true},
		}
		if c.BanTime != Forever && r.IntN(2) == 0 {
			c.MaxBanTime = 15 * time.Minute
		}
		switch r.IntN(8) {
		case 0, 1:
			c.NATPeers = 1 + r.IntN(3)
		case 2, 3:
			c.MinPeers = min(int(c.MaxRetry), 1+r.IntN(2))
		case 4:
			c.IgnoreIP = []string{pick(r, wholeHosts...)}
		case 5:
			c.IgnoreIP = []string{pick(r, "2a00:1:2::/48", "192.0.2.0/30", "2a00:1:2:3::1"), wholePeers[0]}
		}
		out = append(out, c)
	}
	return out
}

// bounded are the same jails with small bounds and a guard.
func (w *pair) bounded(jails []Config) []Config {
	r := rand.New(rand.NewPCG(w.seed, 5))
	out := slices.Clone(jails)
	for i := range out {
		out[i].MaxHosts, out[i].MaxEvents, out[i].MaxBans = 1+r.IntN(5), 3+r.IntN(30), 1+r.IntN(4)
		out[i].Guard = Guard{Share: pick(r, 0.1, 0.5, 1), Least: 1 + r.IntN(3), Rate: 1 + r.IntN(4)}
	}
	return out
}

// step does one random thing to all, at a time, and gives what was done, what the Sets
// decided and what the model did.
func (w *pair) step(t *testing.T, r *rand.Rand, now *time.Time) (what string, s, again, model []Decision) {
	do := func(f func(*Set) []Decision) {
		s, again = f(w.s), f(w.again)
		f(w.small)
	}
	switch k := r.IntN(100); {
	case k < 88:
		for range 1 + r.IntN(5) {
			ev := parser.Event{
				Time: now.Add(-time.Duration(r.IntN(3)*r.IntN(60)) * time.Second), Rule: pick(r, "r", "q", "other"),
				Host: netip.MustParseAddr(pick(r, wholeHosts...)), Weight: int64(1 + r.IntN(3)), Peer: pick(r, "", pick(r, wholePeers...)),
			}
			what += fmt.Sprintf("%v %s of %v, weight %d, peer %q; ", ev.Time.Sub(t0), ev.Rule, ev.Host, ev.Weight, ev.Peer)
			s = append(s, w.s.Observe(ev)...)
			again = append(again, w.again.ObserveAll([]parser.Event{ev})...)
			w.small.Observe(ev)
			model = append(model, w.model.observe(ev)...)
		}
	case k < 90:
		x := ManualBan{
			Prefix: netip.MustParsePrefix(pick(r, "192.0.2.1/32", "198.51.100.0/24", "2a00:1:2::/48", "2a00:1:2:3::/64")),
			For:    pick(r, time.Minute, Forever, time.Hour), Force: true,
		}
		what = fmt.Sprintf("ban %v for %v", x.Prefix, x.For)
		do(func(s *Set) []Decision { out, _ := s.Ban(*now, x); return out })
		model = w.model.ban(*now, x)
	case k < 93:
		a := netip.MustParseAddr(pick(r, wholeHosts...))
		p := netip.PrefixFrom(a, a.BitLen())
		if a.Is6() && r.IntN(2) == 0 {
			p = netip.PrefixFrom(a, pick(r, 48, 56, 64)).Masked()
		}
		what = "unban " + p.String()
		do(func(s *Set) []Decision { return s.Unban(*now, p) })
		model = w.model.unban(*now, p)
	case k < 95:
		what = "advance"
		do(func(s *Set) []Decision { return s.Advance(*now) })
		model = w.model.advance(*now)
	case k < 96:
		jails := w.configs(r)
		what = fmt.Sprintf("reconfigure %+v", jails)
		do(func(s *Set) []Decision {
			with := jails
			if s == w.small {
				with = w.bounded(jails)
			}
			out, err := s.Reconfigure(*now, with)
			if err != nil {
				t.Fatal(err)
			}
			return out
		})
		model = w.model.reconfigure(*now, jails)
	case k < 98:
		var list []netip.Prefix
		for range r.IntN(3) {
			list = append(list, netip.MustParsePrefix(pick(r, "192.0.2.1/32", "2a00:1:2:3::1/128", "198.51.100.0/24")))
		}
		what = fmt.Sprintf("protect %v", list)
		do(func(s *Set) []Decision { return s.SetProtected(*now, "friends", list) })
		model = w.model.protect(*now, list)
	default:
		what = w.setClock(r, now, k == 98)
	}
	return what, s, again, model
}

// setClock sets the machine's clock back or ahead; of the decisions that replace others
// only what follows shows whether they are right.
func (w *pair) setClock(r *rand.Rand, now *time.Time, back bool) string {
	by := time.Duration(1+r.IntN(200)) * time.Second
	if !back {
		for _, s := range []*Set{w.s, w.again, w.small} {
			for _, j := range s.all() {
				j.past.earlier(netip.Prefix{}, s.clock) // forgets what is over, which it does when it is asked
			}
			s.SetAhead(by)
		}
		w.model.move(by, false)
		return fmt.Sprintf("clock ahead by %v", by)
	}
	if !w.model.clock.After(now.Add(-by)) {
		return "nothing"
	}
	*now = now.Add(-by)
	by = w.model.clock.Sub(*now)
	for _, s := range []*Set{w.s, w.again, w.small} {
		s.SetBack(*now)
	}
	w.model.move(-by, true)
	w.model.clock = *now
	return fmt.Sprintf("clock back by %v", by)
}

// restartedWhole is a Set after a restart, by either kind of snapshot.
func restartedWhole(t *testing.T, r *rand.Rand, s *Set) *Set {
	t.Helper()
	protected := map[string][]netip.Prefix{}
	for _, l := range s.protected.lists {
		protected[l.name] = l.prefixes
	}
	next, err := New(s.Jails(), Options{Protected: protected})
	if err != nil {
		t.Fatal(err)
	}
	apart := r.IntN(2) == 0
	data := s.Snapshot()
	if apart {
		data = s.SnapshotPausing(func() {})
	}
	if _, err := next.Restore(data); err != nil {
		t.Fatal(err)
	}
	if apart {
		if dropped := next.RestoreBans(slices.Collect(s.InForce())); len(dropped) > 0 {
			t.Fatalf("dropped %v", dropped)
		}
	}
	return next
}

// TestWholeSetIsTheModel does everything that can be done to a Set, at random.
func TestWholeSetIsTheModel(t *testing.T) {
	decisions := 0
	for seed := range uint64(*workloads) / 5 {
		r := rand.New(rand.NewPCG(seed, 77))
		w := &pair{seed: seed, findTimes: map[string]time.Duration{}}
		jails := w.configs(r)
		w.s, w.again, w.small, w.model = mustSet(t, jails...), mustSet(t, jails...), mustSet(t, w.bounded(jails)...), newSetModel(jails)
		now := t0
		for step := range 400 {
			now = now.Add(time.Duration(r.IntN(6000)) * time.Millisecond)
			if r.IntN(60) == 0 {
				now = now.Add(time.Duration(r.IntN(900)) * time.Second)
			}
			if r.IntN(12) == 0 {
				w.again, w.small = restartedWhole(t, r, w.again), restartedWhole(t, r, w.small)
			}
			what, s, again, model := w.step(t, r, &now)
			where := fmt.Sprintf("seed %d, step %d, at %v: %s", seed, step, now.Sub(t0), what)
			if got, restarted, want := essence(s), essence(again), essence(model); got != want || restarted != want {
				t.Fatalf("%s\ngot\n%srestarted\n%swant\n%s", where, got, restarted, want)
			}
			decisions += len(model)
			for _, s := range []*Set{w.s, w.again, w.small} {
				sound(t, s, where)
			}
		}
	}
	if decisions < 20*(*workloads)/5 {
		t.Errorf("only %d decisions: they test too little", decisions)
	}
}

// sound checks that a Set's tables agree with each other and with its bounds.
func sound(t *testing.T, s *Set, where string) {
	t.Helper()
	bans := 0
	for _, j := range s.all() {
		hosts, lines, held, marks := 0, 0, 0, 0
		window := func(p netip.Prefix, n int) {
			hosts, lines = hosts+1, lines+n
			if s.find(j, p) != nil {
				t.Fatalf("%s\njail %s has a window of %v, which it bans", where, j.cfg.Name, p)
			}
		}
		for id := range j.order.all(&j.hosts) {
			x := j.hosts.get(id)
			window(x.prefix(), len(j.hosts.appendLines(nil, x)))
			if x.held() {
				held++
			}
		}
		for k, of := range j.cold.all() {
			window(k.prefix(), len(of))
			if j.hosts.find(k.prefix()) != 0 {
				t.Fatalf("%s\njail %s has %v twice", where, j.cfg.Name, k.prefix())
			}
		}
		for _, b := range j.bans {
			bans++
			if b.marked {
				marks++
			}
			if s.find(j, b.Prefix) != b || s.forbids(b) {
				t.Fatalf("%s\njail %s bans %v, which can't be found or must not be", where, j.cfg.Name, b.Prefix)
			}
		}
		c, _ := s.Counts(j.cfg.Name)
		got := [...]int{hosts, lines, held, marks + j.odd, j.tracked + marks + j.cold.places(), len(j.past.by)}
		if want := [...]int{c.Hosts, c.Lines, c.Holding, c.InForce, int(j.index.count), len(j.past.heap)}; got != want {
			t.Fatalf("%s\njail %s has %v, and counts %v", where, j.cfg.Name, got, want)
		}
		if j != s.manual && (hosts > j.cfg.MaxHosts || lines > j.cfg.MaxEvents) {
			t.Fatalf("%s\njail %s has %d hosts with %d lines, at most %d and %d", where, j.cfg.Name, hosts, lines, j.cfg.MaxHosts, j.cfg.MaxEvents)
		}
	}
	for p := range s.prefixes.table.All() {
		for range s.prefixes.on(p) {
			bans--
		}
	}
	if bans != 0 {
		t.Fatalf("%s\nthe jails have %d bans more than the table of prefixes", where, bans)
	}
}
