package setup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
)

// documentedJail is the jail of libp2p's documentation (docs.libp2p.io, "DoS
// mitigation"), setting for setting, with its comment behind the filter's name.
const documentedJail = `
[go-libp2p-weird-behavior-iptables]
enabled  = true
filter   = go-libp2p-peer-status # its file
action   = iptables-allports[name=go-libp2p-fail2ban]
backend = systemd[journalflags=1]
journalmatch = _SYSTEMD_UNIT=ipfs-daemon.service
findtime = 180 # 3 minutes
bantime  = 600 # 10 minutes
maxretry = 90
`

func documentedFilter(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../testdata/fail2ban/documented.conf")
	must(t, err)
	return string(b)
}

// takeOver takes over a directory with these files.
func takeOver(t *testing.T, files map[string]string) *Migration {
	t.Helper()
	m, err := FromFail2ban(tree(t, files), parser.Builtin(), time.Now())
	must(t, err)
	return m
}

// item is what became of a setting; the first with that fate, or a failure.
func item(t *testing.T, m *Migration, setting, what string) Item {
	t.Helper()
	for _, j := range m.Jails {
		for _, i := range j.Items {
			if i.Setting == setting && i.What == what {
				return i
			}
		}
	}
	t.Errorf("%s is not %s: %+v", setting, what, m.Jails)
	return Item{}
}

func onlyJail(t *testing.T, c *config.Config) jail.Config {
	t.Helper()
	if len(c.Jails) != 1 {
		t.Fatalf("%d jails: %+v", len(c.Jails), c.Jails)
	}
	return c.Jails[0]
}

func TestDocumentedJail(t *testing.T) {
	m := takeOver(t, map[string]string{"jail.local": documentedJail, "filter.d/go-libp2p-peer-status.conf": documentedFilter(t)})
	c := load(t, m.Configuration)
	want := jail.Config{
		Name: "go-libp2p-weird-behavior-iptables", Rules: []string{"go-libp2p/connection", "go-libp2p/handshake"},
		FindTime: 3 * time.Minute, MaxRetry: 9000, BanTime: 10 * time.Minute,
	}
	if d := cmp.Diff(want, onlyJail(t, c)); d != "" {
		t.Error(d)
	}
	if len(c.Sources) != 1 || !slices.Equal(c.Sources[0].Units, []string{"ipfs-daemon.service"}) {
		t.Errorf("sources: %+v", c.Sources)
	}
	if len(c.Firewall.Ports) > 0 || len(c.Firewall.Protocols) > 0 {
		t.Errorf("iptables-allports became %+v", c.Firewall)
	}
	if f := item(t, m, "filter", Fault); !strings.Contains(f.Why, "never ran") || f.Where != "jail.local:4" {
		t.Errorf("the comment behind the filter: %+v", f)
	}
	item(t, m, "maxretry", Changed)
	item(t, m, "protocol", Changed)
	for _, j := range m.Jails {
		for _, i := range j.Items {
			if i.What == Fault && i.Setting != "filter" {
				t.Errorf("a fault that is none: %+v", i)
			}
		}
	}
}

// A number with a comment behind it is not read by fail2ban, nor a switch.
func TestInlineComments(t *testing.T) {
	text := strings.NewReplacer("maxretry = 90", "maxretry = 90 # lines", "enabled  = true", "enabled = true # yes").Replace(documentedJail)
	m := takeOver(t, map[string]string{"jail.d/libp2p.local": text, "filter.d/go-libp2p-peer-status.conf": documentedFilter(t)})
	item(t, m, "maxretry", Fault)
	item(t, m, "enabled", Fault)
	if got := onlyJail(t, load(t, m.Configuration)).MaxRetry; got != 9000 {
		t.Errorf("maxretry %d", got)
	}
	// A semicolon begins a comment to fail2ban too.
	m = takeOver(t, map[string]string{"jail.local": strings.ReplaceAll(documentedJail, " #", " ;")})
	for _, i := range m.Jails[0].Items {
		if i.What == Fault && strings.Contains(i.Why, "#") {
			t.Errorf("a fault that is none: %+v", i)
		}
	}
}

// Everything that a jail may say, through layers, defaults and interpolation.
func TestEverySetting(t *testing.T) {
	m := takeOver(t, map[string]string{
		"paths.conf": "[DEFAULT]\nlogs = /var/log\nnode_log = %(logs)s/ipfs/*.log\n",
		"jail.conf":  "[INCLUDES]\nbefore = paths.conf\n[DEFAULT]\nmaxretry = 5\nbantime = 1h\nfindtime = 10m\nbantime.increment = true\nignoreip = 127.0.0.1/8 ::1\nbanaction = iptables-multiport\naction = %(banaction)s[port=\"%(port)s\"]\n[ipfs]\nlogpath = /wrong\nenabled = false\n[sshd]\nenabled = true\nfilter = sshd\n",
		"jail.local": "[ipfs]\nenabled = yes\nbantime.maxtime = 2d\n",
		"jail.d/a.conf": "[ipfs]\nfilter = kubo[mode=x]\nlogpath = %(node_log)s\n  /srv/[!x]/node.log tail\n  /srv/head.log head\n" +
			"ignoreip = %(known/ignoreip)s 192.0.2.0/24,2001:db8::7\n  example.org\nport = 4001,http\nprotocol = udp\nfindtime = 1d 12h\n" +
			"action = %(banaction)s[port=\"%(port)s\"]\n  sendmail-whois[name=x]\nusedns = no\nfoo = bar\nignorecommand = /bin/true\n",
		"filter.d/kubo.conf": "[Definition]\nfailregex = CANONICAL_PEER_STATUS .*handshake_failure\n  CANONICAL_MISBEHAVING_PEER <HOST>\n",
	})
	c := load(t, m.Configuration)
	if len(c.Jails) != 2 {
		t.Fatalf("jails: %+v", c.Jails)
	}
	want := jail.Config{
		Name: "ipfs", Rules: []string{"go-libp2p/handshake"}, FindTime: 36 * time.Hour, MaxRetry: 500, BanTime: time.Hour,
		IgnoreIP: []string{"192.0.2.0/24", "2001:db8::7"}, Factor: 2, MaxBanTime: 48 * time.Hour,
	}
	if d := cmp.Diff(want, c.Jails[0]); d != "" {
		t.Error(d)
	}
	want.Name, want.Rules, want.MaxRetry = "ipfs-misbehaving", []string{"go-libp2p/misbehaving"}, 5
	if d := cmp.Diff(want, c.Jails[1]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"/var/log/ipfs/*.log", "/srv/[^x]/node.log", "/srv/head.log"}, c.Sources[0].Files); d != "" || !c.Sources[0].FromStart {
		t.Error(d, c.Sources[0])
	}
	if fw := c.Firewall; !slices.Equal(fw.Ports, []uint16{4001, 80}) || len(fw.Protocols) != 1 || fw.Protocols[0].String() != "udp" {
		t.Errorf("%+v", fw)
	}
	if d := cmp.Diff([]string{"sshd"}, m.Left); d != "" {
		t.Error(d)
	}
	for setting, part := range map[string]string{
		"action": "sendmail-whois", "usedns": "never resolved", "foo": "no setting like foo", "ignorecommand": "no program",
	} {
		if i := item(t, m, setting, Dropped); !strings.Contains(i.Why, part) {
			t.Errorf("%s: %+v, want %q", setting, i, part)
		}
	}
	var why []string
	for _, i := range m.Jails[0].Items {
		if i.Setting == "ignoreip" && i.What == Dropped {
			why = append(why, i.Why)
		}
	}
	if all := strings.Join(why, "\n"); !strings.Contains(all, "127.0.0.1/8, ::1: ") || !strings.Contains(all, "example.org: ") {
		t.Errorf("ignoreip: %s", all)
	}
}

func TestGrowth(t *testing.T) {
	for _, c := range []struct {
		settings string
		factor   float64
		most     time.Duration
		dropped  string
	}{
		{"", 0, 0, ""},
		{"bantime.increment = true", 2, 7 * 24 * time.Hour, ""},
		{"bantime.increment = true\nbantime.factor = 24\nbantime.maxtime = 1d", 2, 24 * time.Hour, "bantime.factor"},
		{"bantime.increment = true\nbantime.multipliers = 1 4 16\nbantime.maxtime = 5w", 4, 35 * 24 * time.Hour, ""},
		{"bantime.increment = true\nbantime.multipliers = 1 5 30 60\nbantime.maxtime = 5w", 2, 35 * 24 * time.Hour, "bantime.multipliers"},
		{"bantime.increment = true\nbantime.formula = ban.Time * 3\nbantime.maxtime = 5w\nbantime.rndtime = 8m", 2, 35 * 24 * time.Hour, "bantime.formula"},
		{"bantime.increment = true\nbantime = -1", 0, 0, "bantime.increment"},
	} {
		text := strings.Replace(documentedJail, " # its file", "", 1)
		if strings.Contains(c.settings, "bantime = ") {
			text = strings.Replace(text, "bantime  = 600 # 10 minutes\n", "", 1)
		}
		m := takeOver(t, map[string]string{"jail.local": text + c.settings + "\n", "filter.d/go-libp2p-peer-status.conf": documentedFilter(t)})
		j := onlyJail(t, load(t, m.Configuration))
		if j.Factor != c.factor || j.MaxBanTime != c.most {
			t.Errorf("%q: factor %v up to %v", c.settings, j.Factor, j.MaxBanTime)
		}
		if c.dropped != "" {
			item(t, m, c.dropped, Dropped)
		}
	}
}

func TestJournalMatch(t *testing.T) {
	for _, c := range []struct {
		match          string
		units, matches []string
		dropped        bool
	}{
		{"_SYSTEMD_UNIT=a.service", []string{"a.service"}, nil, false},
		{"_SYSTEMD_UNIT=a.service + _COMM=ipfs", []string{"a.service"}, nil, true},
		{"_SYSTEMD_UNIT=a.service _COMM=ipfs", []string{"a.service"}, []string{"_COMM=ipfs"}, false},
		{"_SYSTEMD_UNIT=a.service\n  _SYSTEMD_UNIT=b.service", []string{"a.service", "b.service"}, nil, false},
		{"_SYSTEMD_UNIT=a.service + _SYSTEMD_UNIT=a.service", []string{"a.service"}, nil, false},
		{"_UID=7", nil, []string{"_UID=7"}, false},
		{"_UID=7 + _UID=8", nil, []string{"_UID=7", "_UID=8"}, false},
		{"_UID=7 _COMM=ipfs", nil, []string{"_UID=7", "_COMM=ipfs"}, false},
		// Any user can write such entries.
		{"_COMM=ipfs", nil, nil, true},
		{"SYSLOG_IDENTIFIER=ipfs", nil, nil, true},
		{"_COMM=ipfs + _UID=7", nil, nil, true},
	} {
		m := takeOver(t, map[string]string{"jail.local": strings.Replace(documentedJail, "_SYSTEMD_UNIT=ipfs-daemon.service", c.match, 1)})
		var units, matches []string
		for _, s := range load(t, m.Configuration).Sources {
			units, matches = append(units, s.Units...), append(matches, s.Matches...)
		}
		if d := cmp.Diff([][]string{c.units, c.matches}, [][]string{units, matches}); d != "" {
			t.Errorf("%q: %s", c.match, d)
		}
		if c.dropped {
			item(t, m, "journalmatch", Dropped)
		}
		if units == nil && matches == nil && len(m.Notes) == 0 {
			t.Errorf("%q: no note that there is no log", c.match)
		}
	}
}

// The filter's journalmatch serves a jail that has none, and one log that two
// jails read is one source.
func TestTwoJails(t *testing.T) {
	one := strings.Replace(documentedJail, "journalmatch = _SYSTEMD_UNIT=ipfs-daemon.service\n", "", 1)
	one = strings.Replace(one, " # its file", "", 1)
	two := strings.Replace(one, "[go-libp2p-weird-behavior-iptables]", "[slow]\nport = 4001", 1)
	off := strings.NewReplacer("[go-libp2p-weird-behavior-iptables]", "[off]", "= true", "= false").Replace(one)
	m := takeOver(t, map[string]string{
		"jail.local":                           one + two + off,
		"filter.d/go-libp2p-peer-status.conf":  documentedFilter(t),
		"filter.d/go-libp2p-peer-status.local": "[Definition]\njournalmatch = _SYSTEMD_UNIT=node.service\n",
	})
	c := load(t, m.Configuration)
	if len(c.Sources) != 1 || c.Sources[0].Units[0] != "node.service" || len(c.Jails) != 2 {
		t.Errorf("%+v", c)
	}
	if len(c.Firewall.Ports) > 0 {
		t.Errorf("ports %v, which only one jail names", c.Firewall.Ports)
	}
	if len(m.Jails) != 3 || m.Jails[2].Enabled {
		t.Errorf("the jail that is off: %+v", m.Jails)
	}
}

// What one jail says of ports does not stand beside another that says nothing,
// and what its filter leaves out is not left out here: both are told.
func TestWhatDoesNotStand(t *testing.T) {
	one := strings.NewReplacer(" # its file", "", "iptables-allports", "iptables-multiport").Replace(documentedJail)
	two := strings.Replace(one, "[go-libp2p-weird-behavior-iptables]", "[quic]\nport = 4001\nprotocol = udp", 1)
	m := takeOver(t, map[string]string{
		"jail.local":                          one + two,
		"filter.d/go-libp2p-peer-status.conf": strings.TrimSpace(documentedFilter(t)) + "\nignoreregex = 192\\.0\\.2\n",
	})
	if fw := load(t, m.Configuration).Firewall; len(fw.Ports)+len(fw.Protocols) > 0 {
		t.Errorf("%+v", fw)
	}
	for _, setting := range []string{"port", "protocol"} {
		if i := item(t, m, setting, Dropped); i.Became != "" || !strings.Contains(i.Why, "another of these names none") {
			t.Errorf("%+v", i)
		}
	}
	if i := item(t, m, "ignoreregex", Dropped); i.Value != `192\.0\.2` || !strings.HasPrefix(i.Where, "go-libp2p-peer-status.conf:") {
		t.Errorf("%+v", i)
	}
}

func TestNoLibp2pJail(t *testing.T) {
	m := takeOver(t, map[string]string{"jail.conf": "[sshd]\nenabled = true\n[apache]\nenabled = false\n"})
	if m.Configuration != "" || len(m.Jails) != 0 || !slices.Equal(m.Left, []string{"sshd"}) {
		t.Errorf("%+v", m)
	}
}

// What an operator may have written by mistake ends in an error or a value, not
// in a crash or without end.
func TestBrokenIni(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing there":      {},
		"no section":         {"jail.conf": "a line\n"},
		"includes itself":    {"jail.conf": "[INCLUDES]\nbefore = jail.conf\n"},
		"longer than a file": {"jail.conf": strings.Repeat("#\n", maxIniBytes)},
	} {
		if _, err := FromFail2ban(tree(t, files), parser.Builtin(), time.Now()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	var wide strings.Builder
	wide.WriteString("[kubo]\nenabled = true\na0 = /x\n")
	for i := range 20 {
		fmt.Fprintf(&wide, "a%d = %s\n", i+1, strings.Repeat("%(a"+strconv.Itoa(i)+")s", 10))
	}
	for _, text := range []string{
		"[kubo]\nenabled = true\nlogpath = %(a)s\na = %(b)s\nb = %(a)s\n",
		"[kubo]\nenabled = true\nlogpath = %(logpath)s\n",
		wide.String() + "logpath = %(a20)s\n",
		"[kubo]\nenabled = true\nlogpath = %(nowhere)s %%(x)s %(s/y)s\nmaxretry = 0\nfindtime = -1\nbantime = soon\n",
	} {
		m := takeOver(t, map[string]string{"jail.local": text})
		load(t, m.Configuration)
	}
}

func fail2banClient(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("fail2ban-client")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs fail2ban-client (apt install fail2ban)")
		}
		t.Skip("needs fail2ban-client (apt install fail2ban)")
	}
	return path
}

// seconds reads what fail2ban reads, and as the same length.
func TestSecondsAsFail2ban(t *testing.T) {
	client := fail2banClient(t)
	for _, s := range []string{"180", "1d12h", "2 weeks", "60 * 60", "1h*2", "1mo", "1.5h", "1h30", "10m + 5", "1y"} {
		out, err := exec.Command(client, "--str2sec", s).Output()
		must(t, err)
		want, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		must(t, err)
		if got, err := seconds(s); err != nil || got != time.Duration(want*float64(time.Second)) {
			t.Errorf("%q is %v, %v; fail2ban says %vs", s, got, err, want)
		}
	}
	for _, s := range []string{"", "soon", "5 foo", "0", "1e30y", "(1)", "5 *"} {
		if d, err := seconds(s); err == nil {
			t.Errorf("%q is %v", s, d)
		}
	}
	if d, err := seconds("-1"); err != nil || d >= 0 {
		t.Errorf("-1 is %v, %v", d, err)
	}
}

// Options come through files, defaults and interpolation as the real fail2ban
// has them, with Debian's own files below.
func TestLayersAsFail2ban(t *testing.T) {
	client := fail2banClient(t)
	dir := filepath.Join(t.TempDir(), "fail2ban")
	must(t, os.CopyFS(dir, os.DirFS(Fail2banDir)))
	log := filepath.Join(t.TempDir(), "node.log")
	for name, text := range map[string]string{
		log: "",
		filepath.Join(dir, "filter.d/go-libp2p-peer-status.conf"): documentedFilter(t),
		filepath.Join(dir, "jail.local"): "[DEFAULT]\nbackend = polling\nbase = 7\n[sshd]\nenabled = false\n" +
			"[node]\nenabled = true\nfilter = go-libp2p-peer-status\nlogpath = " + log + "\nmaxretry = %(base)s1 ; lines\n",
		filepath.Join(dir, "jail.d/z.local"): "[DEFAULT]\nbantime = 3h\n[node]\nfindtime = 4m\nignoreip = 192.0.2.1\n  192.0.2.2\n",
		filepath.Join(dir, "jail.d/z.conf"):  "[node]\nfindtime = 9m\nmaxretry = 1\n",
	} {
		must(t, os.WriteFile(name, []byte(text), 0o644))
	}
	out, err := exec.Command(client, "-c", dir, "-d").Output()
	must(t, err)
	x, err := readIni(dir, "jail")
	must(t, err)
	for _, option := range []string{"maxretry", "findtime", "bantime"} {
		v, _ := x.get("node", option)
		plain, quoted := fmt.Sprintf("['set', 'node', '%s', %s]", option, v.raw), fmt.Sprintf("['set', 'node', '%s', '%s']", option, v.raw)
		if !strings.Contains(string(out), plain) && !strings.Contains(string(out), quoted) {
			t.Errorf("we read %s = %q; fail2ban has\n%s", option, v.raw, out)
		}
	}
	v, _ := x.get("node", "ignoreip")
	for _, ip := range strings.Fields(v.raw) {
		if !strings.Contains(string(out), "'addignoreip', '192.0.2.1', '192.0.2.2'") && !strings.Contains(string(out), "'addignoreip', '"+ip+"'") {
			t.Errorf("we read ignoreip = %q; fail2ban has\n%s", v.raw, out)
		}
	}
	m, err := FromFail2ban(dir, parser.Builtin(), time.Now())
	must(t, err)
	want := jail.Config{Name: "node", Rules: []string{"go-libp2p/connection", "go-libp2p/handshake"}, FindTime: 4 * time.Minute,
		MaxRetry: 7100, BanTime: 3 * time.Hour, IgnoreIP: []string{"192.0.2.1", "192.0.2.2"}}
	if d := cmp.Diff(want, onlyJail(t, load(t, m.Configuration))); d != "" {
		t.Error(d)
	}
}

// TestIgnoredInEveryJail takes over two jails with logs of their own, each with its
// own ignored hosts: as both judge both logs here, both ignore all of them.
func TestIgnoredInEveryJail(t *testing.T) {
	const two = "[DEFAULT]\nenabled = true\n[kubo]\nlogpath = /var/log/kubo.log\nignoreip = 192.0.2.1 192.0.2.2\n" +
		"[lotus]\nlogpath = %s\nbantime = -1\nignoreip = 192.0.2.2 198.51.100.0/24\n[libp2p]\nlogpath = /var/log/kubo.log\n"
	all := []string{"192.0.2.1", "192.0.2.2", "198.51.100.0/24"}
	for log, want := range map[string]map[string][]string{
		"/var/log/lotus.log": {"kubo": all, "lotus": all, "libp2p": all},
		// Of one log fail2ban's jails ignored different hosts, too.
		"/var/log/kubo.log": {"kubo": all[:2], "lotus": all[1:], "libp2p": nil},
	} {
		m := takeOver(t, map[string]string{"jail.local": fmt.Sprintf(two, log)})
		for _, j := range load(t, m.Configuration).Jails {
			got := slices.Clone(j.IgnoreIP)
			slices.Sort(got)
			if d := cmp.Diff(want[strings.TrimSuffix(j.Name, "-misbehaving")], got); d != "" {
				t.Errorf("%s, jail %s ignores (-want +got):\n%s\n%s", log, j.Name, d, m.Configuration)
			}
		}
		if told := strings.Contains(strings.Join(m.Notes, "\n"), "each jail ignores"); told != (log == "/var/log/lotus.log") {
			t.Errorf("%s: the notes are %q", log, m.Notes)
		}
	}
}
