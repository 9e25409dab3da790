package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/jail"
)

// write makes files under a new directory and returns it. The environment of a
// service must not reach the tests.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	t.Setenv("RUNTIME_DIRECTORY", "")
	t.Setenv("STATE_DIRECTORY", "")
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load loads p2pban.toml of dir, which must be right.
func load(t *testing.T, dir string) *Config {
	t.Helper()
	c, err := Load(filepath.Join(dir, "p2pban.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoadTakesEverySetting(t *testing.T) {
	dir := write(t, map[string]string{"p2pban.toml": `
[source.b-files]
file = "/var/log/ipfs/*.log"
fromstart = true
[source."a.journal"]
unit = ["ipfs.service", "lotus.service"]
directory = "/var/log/journal/remote"
format = "slog-text"
trust = true
[jail.mine]
rules = "go-libp2p/connection"
findtime = "1h30m"
maxretry = 7
bantime = "10m"
maxbantime = "2d"
ignoreip = ["192.0.2.0/24", "/ip4/198.51.100.7"]
factor = 1.5
memory = "2w"
ipv6prefix = 56
widen = 12
minpeers = 2
natpeers = 3
guard = false
guardshare = 0.25
guardleast = 4
guardrate = 60
maxhosts = 1000
maxevents = 2000
maxbans = 300
[source.c-container]
container = ["kubo", "ns/*"]
label = "app=ipfs"
[source.d-user]
userunit = "ipfs"
match = ["SYSLOG_IDENTIFIER=ipfs", "_UID=1000"]
[firewall]
backend = "print"
ports = [4001, 4002]
protocols = ["udp"]
kill_sockets = true
node_netns = "/run/netns/kubo"
kubo_api = "/ip4/127.0.0.1/tcp/5001"
kubo_authorization = "Bearer x"
denyfile = "/var/deny.txt"
[daemon]
socket = "/run/x.sock"
state = "/var/x.db"
`})
	c := load(t, dir)
	wantSources := []Source{
		{Name: "a.journal", Units: []string{"ipfs.service", "lotus.service"}, Directory: "/var/log/journal/remote", Format: "slog-text", Trust: true},
		{Name: "b-files", Files: []string{"/var/log/ipfs/*.log"}, FromStart: true},
		{Name: "c-container", Containers: []string{"kubo", "ns/*"}, Labels: []string{"app=ipfs"}},
		{Name: "d-user", UserUnits: []string{"ipfs"}, Matches: []string{"SYSLOG_IDENTIFIER=ipfs", "_UID=1000"}},
	}
	if d := cmp.Diff(wantSources, c.Sources); d != "" {
		t.Errorf("sources (-want +got):\n%s", d)
	}
	wantJails := []jail.Config{{
		Name: "mine", Rules: []string{"go-libp2p/connection"}, FindTime: 90 * time.Minute, MaxRetry: 7, BanTime: 10 * time.Minute, MaxBanTime: 48 * time.Hour,
		IgnoreIP: []string{"192.0.2.0/24", "/ip4/198.51.100.7"}, Factor: 1.5, Memory: 14 * 24 * time.Hour,
		IPv6Prefix: 56, Widen: 12, MinPeers: 2, NATPeers: 3,
		Guard:    jail.Guard{Off: true, Share: 0.25, Least: 4, Rate: 60},
		MaxHosts: 1000, MaxEvents: 2000, MaxBans: 300,
	}}
	if d := cmp.Diff(wantJails, c.Jails); d != "" {
		t.Errorf("jails (-want +got):\n%s", d)
	}
	wantFirewall := Firewall{Backend: "print", Ports: []uint16{4001, 4002}, Protocols: []firewall.Protocol{firewall.UDP},
		KillSockets: true, NodeNetNS: "/run/netns/kubo", KuboAPI: "/ip4/127.0.0.1/tcp/5001", KuboAuthorization: "Bearer x", DenyFile: "/var/deny.txt"}
	if d := cmp.Diff(wantFirewall, c.Firewall); d != "" {
		t.Errorf("firewall (-want +got):\n%s", d)
	}
	if want := (Daemon{"/run/x.sock", "/var/x.db"}); c.Daemon != want {
		t.Errorf("daemon %v, want %v", c.Daemon, want)
	}
	// A setting that is added later has to get its key, and its place above.
	for _, v := range []any{c.Jails[0], c.Jails[0].Guard, c.Firewall, c.Daemon} {
		for i := range reflect.TypeOf(v).NumField() {
			if reflect.ValueOf(v).Field(i).IsZero() {
				t.Errorf("%T.%s has no key in this test", v, reflect.TypeOf(v).Field(i).Name)
			}
		}
	}
}

func TestForever(t *testing.T) {
	for _, value := range []string{`"-1"`, "-1"} {
		c := load(t, write(t, map[string]string{"p2pban.toml": "[jail.libp2p-flood]\nbantime = " + value + "\n"}))
		if got := c.Jails[0].BanTime; got != jail.Forever {
			t.Errorf("bantime = %s: %v, want Forever", value, got)
		}
	}
}

func TestBuiltinJailFillsWhatIsLeftOut(t *testing.T) {
	c := load(t, write(t, map[string]string{"p2pban.toml": "[jail.libp2p-flood]\nbantime = \"1d\"\n"}))
	var want jail.Config
	for _, j := range Default().Jails {
		if j.Name == "libp2p-flood" {
			want = j
		}
	}
	want.BanTime = 24 * time.Hour
	if d := cmp.Diff([]jail.Config{want}, c.Jails); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDropins(t *testing.T) {
	dir := write(t, map[string]string{
		"p2pban.toml":                "[jail.libp2p-flood]\nmaxretry = 100\nignoreip = [\"192.0.2.1\"]\n[source.n]\nunit = \"a.service\"\n",
		"p2pban.d/20.toml":           "[jail.libp2p-flood]\nmaxretry = 300\n",
		"p2pban.d/10.toml":           "[jail.libp2p-flood]\nmaxretry = 200\nignoreip = [\"192.0.2.2\"]\n[source.m]\nunit = \"b.service\"\n",
		"p2pban.d/30.toml.dpkg-dist": "nonsense",
	})
	c := load(t, dir)
	j := c.Jails[0]
	if j.MaxRetry != 300 {
		t.Errorf("maxretry %d, want that of the last file, 300", j.MaxRetry)
	}
	if want := []string{"192.0.2.2"}; !slices.Equal(j.IgnoreIP, want) {
		t.Errorf("ignoreip %v, want the later list %v", j.IgnoreIP, want)
	}
	if j.FindTime != 3*time.Minute {
		t.Errorf("findtime %v: drop-ins that don't name it must leave it", j.FindTime)
	}
	if len(c.Sources) != 2 {
		t.Errorf("sources %v, want m and n", c.Sources)
	}
	want := []string{"p2pban.toml", "p2pban.d/10.toml", "p2pban.d/20.toml"}
	for i := range want {
		want[i] = filepath.Join(dir, want[i])
	}
	if !slices.Equal(c.Files, want) {
		t.Errorf("files %v, want %v", c.Files, want)
	}
}

func TestDropinsWithoutMainFile(t *testing.T) {
	c := load(t, write(t, map[string]string{"p2pban.d/a.toml": "[jail.libp2p-flood]\n"}))
	if len(c.Jails) != 1 || c.Jails[0].Name != "libp2p-flood" {
		t.Errorf("jails %v, want that of the drop-in", c.Jails)
	}
}

func TestLoadMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p2pban.toml")
	_, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v: want fs.ErrNotExist that names %s", err, path)
	}
}

func TestDefault(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", "")
	t.Setenv("STATE_DIRECTORY", "")
	c := Default()
	if c.Path != "" || len(c.Sources) != 0 || c.Firewall.Backend != "auto" {
		t.Errorf("%+v: want no path, no source and backend auto", c)
	}
	if want := (Daemon{"/run/p2pban/p2pban.sock", "/var/lib/p2pban/state.db"}); c.Daemon != want {
		t.Errorf("daemon %v, want %v", c.Daemon, want)
	}
	if len(c.Jails) == 0 {
		t.Fatal("no jail")
	}
	for _, j := range c.Jails {
		if err := j.Validate(); err != nil {
			t.Error(err)
		}
		for _, r := range j.Rules {
			if c.Ruleset.Lookup(r) == nil {
				t.Errorf("jail %s: rule %q is no full name of a rule", j.Name, r)
			}
		}
	}
}

func TestServiceDirectories(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", "/run/p2pban-2:/run/other")
	t.Setenv("STATE_DIRECTORY", "/var/lib/p2pban-2")
	if want := (Daemon{"/run/p2pban-2/p2pban.sock", "/var/lib/p2pban-2/state.db"}); Default().Daemon != want {
		t.Errorf("daemon %v, want %v", Default().Daemon, want)
	}
}

func TestRuleFiles(t *testing.T) {
	const rule = `implementation = "mine"
[[rule]]
name = "flood"
summary = "a flood"
default = true
weight = 1
setting = "none"
false-positives = "none"
source = "my own node"
tag = "CANONICAL_PEER_STATUS"
host = "addr"
`
	builtin, err := os.ReadFile("../../parser/rules/go-libp2p.toml")
	if err != nil {
		t.Fatal(err)
	}
	// A copy of the built-in rules under another name is as right as they are.
	own := strings.Replace(string(builtin), `implementation = "go-libp2p"`, `implementation = "mine"`, 1)
	if own == string(builtin) {
		t.Fatal("the built-in file no longer names its implementation as expected")
	}
	dir := write(t, map[string]string{"rules/mine.toml": own, "rules/broken.txt": rule + "nonsense = 1\n"})
	text := "rulefiles = [\"" + dir + "/rules/*.toml\"]\n[jail.libp2p-flood]\nrules = [\"mine/*\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "p2pban.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c := load(t, dir)
	if !slices.Contains(c.Jails[0].Rules, "mine/connection") {
		t.Errorf("rules %v, want the operator's own", c.Jails[0].Rules)
	}

	text = strings.ReplaceAll(text, "*.toml", "broken.txt")
	if err := os.WriteFile(filepath.Join(dir, "p2pban.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Load(filepath.Join(dir, "p2pban.toml"))
	if err == nil || !strings.Contains(err.Error(), "p2pban.toml:1:14: rulefiles: ") || !strings.Contains(err.Error(), "broken.txt:12") {
		t.Errorf("%v: want both the place of the setting and that of the fault", err)
	}
}

func TestWritableByAll(t *testing.T) {
	dir := write(t, map[string]string{"p2pban.toml": "[jail.libp2p-flood]\n"})
	path := filepath.Join(dir, "p2pban.toml")
	if c := load(t, dir); len(c.Warnings) != 0 {
		t.Errorf("warnings %v, want none", c.Warnings)
	}
	if err := os.Chmod(path, 0o666); err != nil { // past the umask
		t.Fatal(err)
	}
	if c := load(t, dir); len(c.Warnings) != 1 || c.Warnings[0].File != path {
		t.Errorf("warnings %v, want one for %s", c.Warnings, path)
	}
}
