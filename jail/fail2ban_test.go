package jail

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pban/p2pban/parser"
)

// The jail that fail2ban and we both run: the one in libp2p's documentation.
const (
	f2bFindTime = 180
	f2bMaxRetry = 90
	f2bBanTime  = 600
)

// f2bLine is a failure at a whole second, which is all that fail2ban keeps.
type f2bLine struct {
	at   int
	host netip.Addr
}

// f2bBan is one ban: from when until when.
type f2bBan struct{ at, until int }

// python is the one that Debian's fail2ban is installed for.
const python = "/usr/bin/python3"

var fail2banInstalled = sync.OnceValue(func() error {
	out, err := exec.Command(python, "-c", "import fail2ban.server.failmanager").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
})

// fail2ban judges lines with the real thing.
func fail2ban(t *testing.T, findtime, maxretry, bantime int, lines []f2bLine) map[netip.Addr][]f2bBan {
	t.Helper()
	if err := fail2banInstalled(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("fail2ban is not installed (apt-get install fail2ban): %v", err)
		}
		t.Skipf("fail2ban is not installed (apt-get install fail2ban), so there is nothing to compare with: %v", err)
	}
	var in bytes.Buffer
	for _, l := range lines {
		fmt.Fprintln(&in, l.at, l.host)
	}
	cmd := exec.Command(python, "testdata/fail2ban/judge.py", fmt.Sprint(findtime), fmt.Sprint(maxretry), fmt.Sprint(bantime))
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	bans := map[netip.Addr][]f2bBan{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		var b f2bBan
		var host string
		if n, _ := fmt.Sscan(line, &b.at, &host, &b.until); n == 3 {
			a := netip.MustParseAddr(host)
			bans[a] = append(bans[a], b)
		}
	}
	return bans
}

// ours judges the same lines.
func ours(t *testing.T, findtime, maxretry, bantime int, lines []f2bLine) map[netip.Addr][]f2bBan {
	s := mustSet(t, Config{
		Name: "j", Rules: []string{"r"}, Guard: Guard{Off: true}, MaxRetry: int64(maxretry),
		FindTime: time.Duration(findtime) * time.Second, BanTime: time.Duration(bantime) * time.Second,
	})
	bans := map[netip.Addr][]f2bBan{}
	for _, l := range lines {
		for _, d := range s.Observe(parser.Event{Time: time.Unix(int64(l.at), 0), Rule: "r", Host: l.host, Weight: 1}) {
			if d.Action == Ban {
				bans[d.Host] = append(bans[d.Host], f2bBan{int(d.At.Unix()), int(d.Until.Unix())})
			}
		}
	}
	return bans
}

// f2bStart is when the workloads begin.
const f2bStart = 1_700_000_000

// f2bWorkload gives 180 hosts their times by next, which gives the seconds from
// one failure of a host to its next, and ends each after some seconds.
func f2bWorkload(seed uint64, seconds float64, host func(r *rand.Rand) (next func() float64)) []f2bLine {
	r := rand.New(rand.NewPCG(seed, 180))
	var lines []f2bLine
	for i := range 180 {
		addr := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		next := host(r)
		for at := r.Float64() * 60; at < seconds; at += next() {
			lines = append(lines, f2bLine{f2bStart + int(at), addr})
		}
	}
	slices.SortStableFunc(lines, func(a, b f2bLine) int { return cmp.Compare(a.at, b.at) })
	return lines
}

// The workloads: how the failures of one host follow each other.
var f2bWorkloads = []struct {
	name  string
	exact bool // whether fail2ban's estimate is exact
	lines func() []f2bLine
}{
	{"all failures of a host within findtime", true, func() []f2bLine {
		return f2bWorkload(1, 180, func(r *rand.Rand) func() float64 {
			rate := 0.1 + r.Float64()*1.5
			return func() float64 { return r.ExpFloat64() / rate }
		})
	}},
	{"steady, every 1 to 8 s", true, func() []f2bLine {
		return f2bWorkload(2, 1800, func(r *rand.Rand) func() float64 {
			step := float64(1 + r.IntN(8))
			return func() float64 { return step }
		})
	}},
	{"Poisson, 0.3 to 0.7 a second", false, func() []f2bLine {
		return f2bWorkload(3, 1800, func(r *rand.Rand) func() float64 {
			rate := 0.3 + r.Float64()*0.4
			return func() float64 { return r.ExpFloat64() / rate }
		})
	}},
	{"bursts of 20 to 80, 60 to 300 s apart", false, func() []f2bLine {
		return f2bWorkload(4, 1800, func(r *rand.Rand) func() float64 {
			left := 0
			return func() float64 {
				if left--; left < 0 {
					left = 20 + r.IntN(61)
					return 60 + 240*r.Float64()
				}
				return r.Float64()
			}
		})
	}},
}

// TestFail2ban compares first bans with those of the real fail2ban. Where its
// estimate is exact they are the same to the second; where it is not, the table
// says by how much, and docs/jails.md has that table.
func TestFail2ban(t *testing.T) {
	docs, err := os.ReadFile("../docs/jails.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range f2bWorkloads {
		lines := w.lines()
		theirs := fail2ban(t, f2bFindTime, f2bMaxRetry, f2bBanTime, lines)
		mine := ours(t, f2bFindTime, f2bMaxRetry, f2bBanTime, lines)
		row := compareFirst(t, w.name, lines, theirs, mine, w.exact)
		t.Log(row)
		if !strings.Contains(string(docs), row) {
			t.Errorf("docs/jails.md lacks the row\n%s", row)
		}
	}
}

// compareFirst compares each host's first ban, and gives a row of the table:
// workload | banned by either | same second | fail2ban only | p2pban only |
// both, at another time | most failures in an exact window of those banned by
// fail2ban only.
func compareFirst(t *testing.T, name string, lines []f2bLine, theirs, mine map[netip.Addr][]f2bBan, exact bool) string {
	var same, onlyTheirs, onlyMine, otherTime, fullest int
	for i := range 180 {
		host := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		a, b := theirs[host], mine[host]
		switch {
		case len(a) == 0 && len(b) == 0:
			continue
		case len(b) == 0:
			onlyTheirs++
			fullest = max(fullest, fullestWindow(lines, host))
		case len(a) == 0:
			onlyMine++
		case a[0] == b[0]:
			same++
		default:
			otherTime++
		}
		if exact && (len(a) == 0 || len(b) == 0 || a[0] != b[0]) {
			t.Errorf("%s: %v: fail2ban %v, p2pban %v", name, host, a, b)
		}
	}
	if !exact && onlyTheirs+onlyMine+otherTime == 0 {
		t.Errorf("%s: fail2ban's estimate made no difference; its window has changed", name)
	}
	dash := "–"
	if onlyTheirs > 0 {
		dash = fmt.Sprint(fullest)
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %s |", name, same+onlyTheirs+onlyMine+otherTime, same, onlyTheirs, onlyMine, otherTime, dash)
}

// fullestWindow is the most failures of a host in any closed window.
func fullestWindow(lines []f2bLine, host netip.Addr) int {
	var at []int
	for _, l := range lines {
		if l.host == host {
			at = append(at, l.at)
		}
	}
	most, from := 0, 0
	for i, t := range at {
		for at[from] < t-f2bFindTime {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// TestFail2banEdges are single hosts on which the two differ, and why.
func TestFail2banEdges(t *testing.T) {
	times := func(spec ...int) []int { // triples: how many, from when, every how many seconds
		var out []int
		for i := 0; i < len(spec); i += 3 {
			for n := range spec[i] {
				out = append(out, spec[i+1]+n*spec[i+2])
			}
		}
		return out
	}
	none := -1
	for _, c := range []struct {
		name                        string
		findtime, maxretry, bantime int
		at                          []int
		theirs, ours                int // second of the first ban
	}{
		{"the boundary is inclusive in both", 10, 2, 60, times(2, 0, 10), 10, 10},
		{"85 at once, one at 100, then one a second from 181: 85 of them are gone", 180, 90, 600, times(85, 0, 0, 1, 100, 1, 200, 181, 1), 184, 269},
		{"1, then 80 at 179 and 15 at 300: 95 within 180 s", 180, 90, 600, times(1, 0, 1, 80, 179, 0, 15, 300, 0), none, 300},
		{"two failures 19 s apart are not two within 10 s", 10, 2, 60, []int{0, 19}, 19, none},
		{"nor are they 20 s apart", 10, 2, 60, []int{0, 20}, none, none},
	} {
		host := netip.MustParseAddr("198.51.100.1")
		var lines []f2bLine
		for _, at := range c.at {
			lines = append(lines, f2bLine{f2bStart + at, host})
		}
		first := func(bans map[netip.Addr][]f2bBan) int {
			if len(bans[host]) == 0 {
				return none
			}
			return bans[host][0].at - f2bStart
		}
		if got := first(fail2ban(t, c.findtime, c.maxretry, c.bantime, lines)); got != c.theirs {
			t.Errorf("%s: fail2ban bans at %d, expected %d", c.name, got, c.theirs)
		}
		if got := first(ours(t, c.findtime, c.maxretry, c.bantime, lines)); got != c.ours {
			t.Errorf("%s: p2pban bans at %d, expected %d", c.name, got, c.ours)
		}
	}
}
