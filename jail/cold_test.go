package jail

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// coldModel is a row as a list of lines, each with its host.
type coldModel []modelLine

type modelLine struct {
	host key
	entry
}

func (m coldModel) of(k key) []entry {
	var lines []entry
	for _, l := range m {
		if l.host == k {
			lines = append(lines, l.entry)
		}
	}
	slices.SortStableFunc(lines, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	return lines
}

// hosts are in order of their newest lines.
func (m coldModel) hosts() []key {
	var out []key
	for i, l := range m {
		if !slices.ContainsFunc(m[i+1:], func(o modelLine) bool { return o.host == l.host }) {
			out = append(out, l.host)
		}
	}
	return out
}

// A row of cold lines gives what a list gives, whatever comes in which order and
// whatever leaves, also where the numbers of its lines begin anew.
func TestColdIsAListOfLines(t *testing.T) {
	const findtime = 300
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		j := &jail{cfg: Config{MaxRetry: 1 << 40}}
		j.empty([2]uint64{r.Uint64(), r.Uint64()})
		c := &j.cold
		if seed%2 == 1 {
			c.base -= 700 // numbers begin anew after 700 lines
			c.tail, c.head = c.base, c.base
		}
		var want coldModel
		hosts, clock, back := 1+r.IntN(200), 1000, 1+r.IntN(findtime)
		for n := range 4000 {
			clock += r.IntN(3)
			start := instant(clock - findtime)
			k := key{lo: uint64(r.IntN(hosts)), bits: 32}
			hash := k.hash(&c.seed)
			switch r.IntN(8) {
			case 0:
				if c.leaves(start) {
					if l := c.at(c.tail); !l.gone {
						want = want[1:]
					}
					c.pop()
				}
			case 1:
				if got := c.take(&k, hash); !slices.Equal(got, want.of(k)) {
					t.Fatalf("seed %d, step %d: took %v, want %v", seed, n, got, want.of(k))
				}
				want = slices.DeleteFunc(want, func(l modelLine) bool { return l.host == k })
			default:
				e := entry{at: max(start, instant(clock-r.IntN(back))), weight: 1, peer: uint32(n)}
				stays := j.staysCold(j.index.of(hash), &k, e, start)
				want = slices.DeleteFunc(want, func(l modelLine) bool { return l.host == k && l.entry.at < start })
				if room := len(want.of(k)) < coldLines; stays != room {
					t.Fatalf("seed %d, step %d: a host with %d lines stays cold: %v", seed, n, len(want.of(k)), stays)
				} else if room {
					want = append(want, modelLine{k, e})
				}
			}
			if !slices.Equal(c.of(&k, hash), want.of(k)) {
				t.Fatalf("seed %d, step %d: got %v, want %v", seed, n, c.of(&k, hash), want.of(k))
			}
			if c.lines != len(want) || n%50 == 0 && c.hosts != len(want.hosts()) {
				t.Fatalf("seed %d, step %d: %d lines of %d hosts, want %d of %d", seed, n, c.lines, c.hosts, len(want), len(want.hosts()))
			}
		}
		var got, reversed []key
		for k, lines := range c.all() {
			got = append(got, k)
			if !slices.Equal(lines, want.of(k)) {
				t.Fatalf("seed %d: %v has %v, want %v", seed, k, lines, want.of(k))
			}
		}
		for k := range c.backward() {
			reversed = append(reversed, k)
		}
		slices.Reverse(reversed)
		if !slices.Equal(got, want.hosts()) || !slices.Equal(reversed, got) {
			t.Fatalf("seed %d: hosts %v, backward %v, want %v", seed, got, reversed, want.hosts())
		}
		for c.places() > 0 {
			c.pop()
		}
		if c.lines != 0 || c.hosts != 0 || j.index.count != 0 {
			t.Fatalf("seed %d: %d lines, %d hosts and %d places are left of nothing", seed, c.lines, c.hosts, j.index.count)
		}
	}
}

// A full jail lets the host go that was quiet for longest of those far from a ban,
// whether it is cold or has more lines.
func TestFullJailForgetsWhoIsQuiet(t *testing.T) {
	for _, first := range []string{"cold", "tracked"} {
		s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 1000, BanTime: time.Hour, MaxHosts: 2})
		see := func(at time.Duration, host string, lines int) {
			for range lines {
				s.Observe(event(at, host, 1))
			}
		}
		few, many := 0*time.Second, time.Second
		if first == "tracked" {
			few, many = many, few
		}
		for at := range 2 {
			switch time.Duration(at) * time.Second {
			case few:
				see(few, "192.0.2.1", 1)
			case many:
				see(many, "192.0.2.2", coldLines+1)
			}
		}
		if j := s.jails[0]; j.tracked != 1 || j.cold.hosts != 1 {
			t.Fatalf("%d hosts tracked, %d cold", j.tracked, j.cold.hosts)
		}
		see(2*time.Second, "192.0.2.3", 1)
		left := map[string]bool{}
		for _, h := range s.Nearest(10) {
			left[h.Prefix.Addr().String()] = true
		}
		if left["192.0.2.1"] == (first == "cold") || left["192.0.2.2"] == (first == "tracked") || !left["192.0.2.3"] {
			t.Errorf("the %s host came first; left are %v", first, left)
		}
		if c, _ := s.Counts("j"); c.Evicted != 1 || c.Hosts != 2 {
			t.Errorf("%+v", c)
		}
	}
}

// What is gone from the row keeps its place until its turn comes, and counts to
// the bound of lines as long.
func TestPlacesOfWhatIsGoneAreBounded(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: 24 * time.Hour, MaxRetry: 16, BanTime: time.Second, MaxEvents: 100, Guard: Guard{Off: true}})
	s.Observe(event(0, "192.0.2.9", 1)) // stands before all others
	for i := range 2000 {               // each ban leaves its host's first line behind
		at := time.Duration(i) * 2 * time.Second
		if d := bansOf(slices.Concat(s.Observe(event(at, "192.0.2.1", 1)), s.Observe(event(at, "192.0.2.1", 15)))); len(d) != 1 || d[0].Failures != 16 {
			t.Fatalf("round %d: %v", i, d)
		}
		if n := s.jails[0].cold.places(); n > 100 {
			t.Fatalf("round %d: %d places for no line", i, n)
		}
	}
	if c, _ := s.Counts("j"); c.Lines != 0 || c.Evicted != 1 {
		t.Errorf("%+v", c)
	}
}

// When a flood is over its memory is given back.
func TestFloodsMemoryIsGivenBack(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 1000, BanTime: time.Hour})
	for n := range uint32(100_000) {
		for range 1 + n%2*coldLines {
			s.Observe(light(t0, hostN(n)))
		}
	}
	j := s.jails[0]
	if j.index.n <= bucketChunk || len(j.cold.chunks) < 10 || len(j.hosts.chunks) < 10 {
		t.Fatalf("%d buckets, %d and %d chunks are no flood", j.index.n, len(j.cold.chunks), len(j.hosts.chunks))
	}
	for c, _ := s.Counts("j"); c.Hosts > 0; c, _ = s.Counts("j") {
		before := c.Hosts
		s.Advance(s.Clock().Add(time.Hour))
		if c, _ := s.Counts("j"); c.Hosts >= before {
			t.Fatalf("%d hosts are left", c.Hosts)
		}
	}
	s.Advance(s.Clock().Add(time.Hour))
	if j.index.n > bucketChunk || len(j.cold.chunks) > 1 || len(j.hosts.chunks) > 1 {
		t.Errorf("%d buckets, %d and %d chunks are left of nothing", j.index.n, len(j.cold.chunks), len(j.hosts.chunks))
	}
}
