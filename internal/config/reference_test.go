package config

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/jail"
)

const reference = "../../packaging/p2pban.toml"

// commented finds the settings and tables that are commented out: "#" and no
// space, as prose has.
var commented = regexp.MustCompile(`(?m)^#([a-z\[])`)

// uncommented is the reference with every setting in force.
func uncommented(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	all := commented.ReplaceAllString(string(text), "$1")
	// The operator's own rules don't exist here.
	rules := filepath.Join(t.TempDir(), "mine.toml")
	if err := os.WriteFile(rules, []byte("implementation = \"mine\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(all, "/etc/p2pban/rules/*.toml", rules)
}

func TestReferenceLoads(t *testing.T) {
	c, err := Load(reference)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sources) != 1 || len(c.Jails) != 1 {
		t.Errorf("%d sources, %d jails; want one of each as the example", len(c.Sources), len(c.Jails))
	}
}

// TestReferenceShowsDefaults holds that what is commented out changes nothing,
// but for what is an example.
func TestReferenceShowsDefaults(t *testing.T) {
	dir := write(t, map[string]string{"p2pban.toml": uncommented(t)})
	c := load(t, dir)
	want := Default()
	if d := cmp.Diff(want.Daemon, c.Daemon); d != "" {
		t.Errorf("daemon (-default +documented):\n%s", d)
	}
	if c.Firewall.Backend != want.Firewall.Backend {
		t.Errorf("backend %q, default %q", c.Firewall.Backend, want.Firewall.Backend)
	}
	i := slices.IndexFunc(want.Jails, func(j jail.Config) bool { return j.Name == "libp2p-flood" })
	flood := want.Jails[i]
	flood.IgnoreIP = c.Jails[0].IgnoreIP
	flood.Factor, flood.NATPeers = 1, 1
	flood.MaxBanTime, flood.Memory, flood.IPv6Prefix = jail.DefaultMaxBanTime, jail.DefaultMemory, jail.DefaultIPv6Prefix
	flood.Guard = jail.Guard{Share: jail.DefaultGuardShare, Least: jail.DefaultGuardLeast, Rate: jail.DefaultGuardRate}
	flood.MaxHosts, flood.MaxEvents, flood.MaxBans = jail.DefaultMaxHosts, jail.DefaultMaxEvents, jail.DefaultMaxBans
	if d := cmp.Diff([]jail.Config{flood}, c.Jails); d != "" {
		t.Errorf("jail (-default +documented):\n%s", d)
	}
}

// TestReferenceIsComplete holds that the reference and the loader know the same
// settings.
func TestReferenceIsComplete(t *testing.T) {
	text := uncommented(t)
	n, err := parse(&file{"reference", text})
	if err != nil {
		t.Fatal(err)
	}
	l := loader{asked: map[string][]string{}}
	l.build(base(), n)
	if len(l.problems) > 0 {
		t.Fatal(l.problems)
	}
	var top map[string]any
	if _, err := toml.Decode(text, &top); err != nil {
		t.Fatal(err)
	}
	documented := map[string]map[string]bool{}
	note := func(kind string, table any) {
		if documented[kind] == nil {
			documented[kind] = map[string]bool{}
		}
		for k := range table.(map[string]any) {
			documented[kind][k] = true
		}
	}
	note("", top)
	note("firewall", top["firewall"])
	note("daemon", top["daemon"])
	note("metrics", top["metrics"])
	for _, kind := range []string{"source", "jail"} {
		for _, table := range top[kind].(map[string]any) {
			note(kind+".*", table)
		}
	}
	for kind, keys := range l.asked {
		want := slices.Sorted(slices.Values(keys))
		if d := cmp.Diff(want, slices.Sorted(maps.Keys(documented[kind]))); d != "" {
			t.Errorf("settings of [%s] (-known +documented):\n%s", kind, d)
		}
	}
	if len(l.asked) != len(documented) {
		t.Errorf("%d kinds of table known, %d documented", len(l.asked), len(documented))
	}
}
