package firewall

import (
	"context"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
)

// The whole package runs in a network namespace of its own: its tests share
// that namespace's firewall, so they do not run in parallel.
func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// hosts returns n distinct single hosts of 10.0.0.0/8.
func hosts(n int) []netip.Prefix {
	out := make([]netip.Prefix, n)
	for i := range out {
		out[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	return out
}

func until(prefixes []netip.Prefix, end time.Time) []Ban {
	out := make([]Ban, len(prefixes))
	for i, p := range prefixes {
		out[i] = Ban{Prefix: p, Until: end}
	}
	return out
}

// run runs a program in the test's namespace and returns what it printed.
func run(t testing.TB, stdin string, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(netnstest.LookPath(t, program), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// eventually polls until ok, for at most five seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("not within 5 s:", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// newNFTables returns a backend in an empty firewall.
func newNFTables(t testing.TB, o Options) *NFTables {
	t.Helper()
	netnstest.Require(t)
	run(t, "", "nft", "flush", "ruleset")
	b, err := NewNFTables(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// newIPTables returns a backend in an empty firewall, using one variant of the
// iptables programs.
func newIPTables(t testing.TB, variant string, o Options) *IPTables {
	t.Helper()
	newNFTables(t, Options{})
	dir := t.TempDir()
	for _, program := range []string{"iptables", "ip6tables"} {
		for _, end := range []string{"", "-save", "-restore"} {
			path := netnstest.LookPath(t, program+"-"+variant+end)
			if err := os.Symlink(path, filepath.Join(dir, program+end)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if _, err := Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	b, err := NewIPTables(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := Flush(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// backends are the real backends and the printer: all pass the same tests.
func backends() map[string]func(t testing.TB) Backend {
	return map[string]func(t testing.TB) Backend{
		"nftables":        func(t testing.TB) Backend { return newNFTables(t, Options{}) },
		"iptables-nft":    func(t testing.TB) Backend { return newIPTables(t, "nft", Options{}) },
		"iptables-legacy": func(t testing.TB) Backend { return newIPTables(t, "legacy", Options{}) },
		"kubo": func(t testing.TB) Backend {
			return newKubo(t, newFakeKubo(t), filepath.Join(t.TempDir(), "filters"))
		},
		"denyfile": func(t testing.TB) Backend { return NewDenyFile(filepath.Join(t.TempDir(), "deny"), nil) },
		"print":    func(t testing.TB) Backend { return NewPrint(io.Discard) },
	}
}

func eachBackend(t *testing.T, f func(t *testing.T, b Backend)) {
	for name, open := range backends() {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func mustInit(t testing.TB, b Backend, bans ...Ban) {
	t.Helper()
	if err := b.Init(context.Background(), bans); err != nil {
		t.Fatal("Init:", err)
	}
}

func mustApply(t testing.TB, b Backend, c Change) {
	t.Helper()
	if err := b.Apply(context.Background(), c); err != nil {
		t.Fatal("Apply:", err)
	}
}

func mustList(t testing.TB, b Backend) map[netip.Prefix]time.Time {
	t.Helper()
	list, err := b.List(context.Background())
	if err != nil {
		t.Fatal("List:", err)
	}
	out := map[netip.Prefix]time.Time{}
	for _, ban := range list {
		if _, twice := out[ban.Prefix]; twice {
			t.Errorf("List has %s twice", ban.Prefix)
		}
		out[ban.Prefix] = ban.Until
	}
	return out
}

// endSlack is by how much the end of a ban may differ: ipset counts whole
// seconds, and on a slow machine time passes between a ban, what is expected of
// it, and its listing. The tests' ends are minutes apart.
const endSlack = 20 * time.Second

// stands fails the test unless exactly these bans stand.
func stands(t testing.TB, b Backend, want ...Ban) {
	t.Helper()
	got := mustList(t, b)
	for _, w := range want {
		g, ok := got[w.Prefix]
		switch {
		case !ok:
			t.Errorf("%s is not banned", w.Prefix)
		case w.Until.IsZero() != g.IsZero():
			t.Errorf("%s ends at %v, want %v (zero: never)", w.Prefix, g, w.Until)
		case g.Sub(w.Until).Abs() > endSlack:
			t.Fatalf("%s ends at %v, want %v", w.Prefix, g, w.Until)
		}
		delete(got, w.Prefix)
	}
	var more []string
	for p := range got {
		more = append(more, p.String())
	}
	if slices.Sort(more); len(more) > 0 {
		t.Errorf("banned as well: %s", strings.Join(more[:min(len(more), 10)], " "))
	}
}
