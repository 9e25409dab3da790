package jail

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/parser"
)

var workloads = flag.Int("workloads", 250, "random workloads for the model test")

// model is the naive jail: it keeps every event of every host for ever, and
// counts. It is one jail, without bounds.
type model struct {
	cfg    Config
	clock  time.Time
	events map[netip.Prefix][]parser.Event // not yet answered by a ban
	bans   map[netip.Prefix]Decision
	times  map[netip.Prefix]int       // bans so far
	ended  map[netip.Prefix]time.Time // end of the last ban
}

func newModel(cfg Config) *model {
	return &model{
		cfg: cfg.withDefaults(), events: map[netip.Prefix][]parser.Event{}, bans: map[netip.Prefix]Decision{},
		times: map[netip.Prefix]int{}, ended: map[netip.Prefix]time.Time{},
	}
}

// expire lifts the bans that ended, in order of their ends, ties by host.
func (m *model) expire(now time.Time) []Decision {
	if now.After(m.clock) {
		m.clock = now
	}
	var ended []Decision
	for _, b := range m.bans {
		if !b.Until.IsZero() && !m.clock.Before(b.Until) {
			ended = append(ended, b)
		}
	}
	slices.SortFunc(ended, func(a, b Decision) int {
		return cmp.Or(a.Until.Compare(b.Until), a.Prefix.Addr().Compare(b.Prefix.Addr()))
	})
	var out []Decision
	for _, b := range ended {
		delete(m.bans, b.Prefix)
		out = append(out, Decision{Action: Unban, Jail: m.cfg.Name, Host: b.Host, Prefix: b.Prefix, At: b.Until})
	}
	return out
}

func (m *model) prefix(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(a, 32)
	}
	return netip.PrefixFrom(a, m.cfg.IPv6Prefix).Masked()
}

func (m *model) observe(ev parser.Event) []Decision {
	out := m.expire(ev.Time)
	if ev.Rule != "r" {
		return out
	}
	p := m.prefix(ev.Host)
	start := m.clock.Add(-m.cfg.FindTime)
	if ev.Time.Before(start) {
		return out
	}
	if _, banned := m.bans[p]; banned {
		return out
	}
	m.events[p] = append(m.events[p], ev)
	failures := int64(0)
	peers := map[string]int{}
	for _, e := range m.window(p, start) {
		failures += e.Weight
		if e.Peer != "" {
			peers[e.Peer]++
		}
	}
	allowed := 0
	for _, n := range peers {
		if n >= 2 {
			allowed++
		}
	}
	allowed = max(1, min(allowed, m.cfg.NATPeers))
	if failures < m.cfg.MaxRetry*int64(allowed) || len(peers) < m.cfg.MinPeers {
		return out
	}
	b := Decision{Action: Ban, Jail: m.cfg.Name, Host: ev.Host, Prefix: p, At: m.clock, Failures: failures}
	if m.cfg.BanTime != Forever {
		b.Until = m.clock.Add(m.banTime(p))
	}
	m.bans[p] = b
	delete(m.events, p)
	m.times[p]++
	m.ended[p] = b.Until
	return append(out, b)
}

// window is a host's events not older than start, of which the verdict rests on
// the latest maxretry × natpeers.
func (m *model) window(p netip.Prefix, start time.Time) []parser.Event {
	var in []parser.Event
	for _, e := range m.events[p] {
		if !e.Time.Before(start) {
			in = append(in, e)
		}
	}
	slices.SortStableFunc(in, func(a, b parser.Event) int { return a.Time.Compare(b.Time) })
	return in[max(0, len(in)-int(m.cfg.MaxRetry)*m.cfg.NATPeers):]
}

func (m *model) banTime(p netip.Prefix) time.Duration {
	if m.times[p] > 0 && !m.clock.Before(m.ended[p].Add(m.cfg.Memory)) {
		m.times[p] = 0
	}
	d := m.cfg.BanTime
	for range m.times[p] {
		d = min(d*time.Duration(m.cfg.Factor), m.cfg.MaxBanTime)
	}
	return d
}

// workload is one random jail and how its events come.
type workload struct {
	cfg   Config
	hosts []netip.Addr
	peers []string
	step  time.Duration // largest step forward
	back  time.Duration // largest step back
	heavy int64         // largest weight
	grain time.Duration // times are multiples of this, so that edges are met
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func randomWorkload(r *rand.Rand) workload {
	w := workload{
		cfg: Config{
			Name: "j", Rules: []string{"r"},
			FindTime:   time.Duration(1+r.IntN(30)) * time.Second,
			MaxRetry:   pick[int64](r, 1, 2, 3, 5, 10, 40, 300),
			BanTime:    pick(r, time.Second, 7*time.Second, 20*time.Second, time.Minute, Forever),
			Factor:     pick(r, 0.0, 1, 2, 3),
			Memory:     pick(r, 0, 10*time.Second, time.Minute),
			IPv6Prefix: pick(r, 0, 48, 64, 128),
			Guard:      Guard{Off: true},
		},
		step:  pick(r, 0, 200*time.Millisecond, time.Second, 5*time.Second),
		back:  pick(r, 0, 0, 2*time.Second, 40*time.Second),
		heavy: pick[int64](r, 1, 1, 3, 100),
		grain: pick(r, time.Nanosecond, 100*time.Millisecond, time.Second),
	}
	if r.IntN(3) == 0 {
		w.cfg.NATPeers = pick(r, 1, 2, 4)
		w.cfg.MinPeers = min(r.IntN(5), int(w.cfg.MaxRetry))
		w.peers = []string{"", "A", "B", "C", "D", "E"}[:1+r.IntN(6)]
	}
	if w.cfg.BanTime > 0 && r.IntN(2) == 0 {
		w.cfg.MaxBanTime = w.cfg.BanTime * time.Duration(1+r.IntN(5))
	}
	for i := range 1 + r.IntN(12) {
		if r.IntN(2) == 0 {
			w.hosts = append(w.hosts, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		} else {
			w.hosts = append(w.hosts, netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%d::%d", i%5, i)))
		}
	}
	return w
}

// events are the workload's, in order of arrival.
func (w *workload) events(r *rand.Rand, n int) []parser.Event {
	at := t0
	out := make([]parser.Event, n)
	for i := range out {
		if w.step > 0 && r.IntN(4) > 0 {
			at = at.Add(time.Duration(r.Int64N(int64(w.step) + 1)).Truncate(w.grain))
		}
		ev := parser.Event{Time: at, Rule: "r", Host: pick(r, w.hosts...), Weight: 1 + r.Int64N(w.heavy)}
		if w.back > 0 && r.IntN(3) == 0 {
			ev.Time = at.Add(-time.Duration(r.Int64N(int64(w.back))).Truncate(w.grain))
		}
		if len(w.peers) > 0 {
			ev.Peer = pick(r, w.peers...)
		}
		if r.IntN(20) == 0 {
			ev.Rule = "other"
		}
		out[i] = ev
	}
	return out
}

// essence is the part of a decision that the model knows.
func essence(list []Decision) string {
	s := ""
	for _, d := range list {
		s += fmt.Sprintf("%v %s %v %v at=%v until=%v failures=%d\n", d.Action, d.Jail, d.Host, d.Prefix, d.At.Sub(t0), d.Until, d.Failures)
	}
	return s
}

// TestModel compares with the naive jail on random workloads, through
// snapshots and reloads on the way.
func TestModel(t *testing.T) {
	decisions := 0
	for seed := range uint64(*workloads) {
		r := rand.New(rand.NewPCG(seed, 4))
		w := randomWorkload(r)
		s, m := mustSet(t, w.cfg), newModel(w.cfg)
		for i, ev := range w.events(r, 50+r.IntN(400)) {
			got, want := essence(s.Observe(ev)), essence(m.observe(ev))
			if got != want {
				t.Fatalf("workload %d (%+v), event %d (%v of %v, weight %d):\ngot\n%swant\n%s", seed, w.cfg, i, ev.Time.Sub(t0), ev.Host, ev.Weight, got, want)
			}
			decisions += strings.Count(got, "\n")
			switch r.IntN(50) {
			case 0:
				s = restarted(t, s)
			case 1:
				now := m.clock.Add(time.Duration(r.Int64N(int64(10 * time.Second))))
				if got, want := essence(s.Advance(now)), essence(m.expire(now)); got != want {
					t.Fatalf("workload %d, advance after event %d:\ngot\n%swant\n%s", seed, i, got, want)
				}
			case 2:
				if d, err := s.Reconfigure(m.clock, []Config{w.cfg}); err != nil || d != nil {
					t.Fatalf("reload: %v, %v", d, err)
				}
			}
		}
	}
	if decisions < *workloads {
		t.Fatalf("%d workloads brought only %d decisions: they test nothing", *workloads, decisions)
	}
}

// restarted is s after a restart.
func restarted(t testing.TB, s *Set) *Set {
	t.Helper()
	next := mustSet(t, s.Jails()...)
	if _, err := next.Restore(s.Snapshot()); err != nil {
		t.Fatal(err)
	}
	return next
}

// TestSameEventsSameDecisions: two Sets, whose hash tables have different
// seeds, and of which one is given the events one by one and the other many at
// once, decide alike and hold the same, also when they are full.
func TestSameEventsSameDecisions(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 9))
		w := randomWorkload(r)
		w.cfg.MaxHosts, w.cfg.MaxEvents, w.cfg.MaxBans = 1+r.IntN(6), 5+r.IntN(50), 1+r.IntN(4)
		w.cfg.Guard = Guard{Least: 1 + r.IntN(3), Share: 0.3}
		w.cfg.Widen = pick(r, 0, 2, 3)
		a, b := mustSet(t, w.cfg), mustSet(t, w.cfg)
		for events := w.events(r, 300); len(events) > 0; {
			n := min(1+r.IntN(2*ahead), len(events))
			var one []Decision
			for _, ev := range events[:n] {
				one = append(one, a.Observe(ev)...)
			}
			if x, y := essence(one), essence(b.ObserveAll(events[:n])); x != y {
				t.Fatalf("workload %d, %d events before its end: one by one\n%sat once\n%s", seed, len(events), x, y)
			}
			events = events[n:]
		}
		if !bytes.Equal(a.Snapshot(), b.Snapshot()) {
			t.Fatalf("workload %d: the snapshots differ", seed)
		}
	}
}
