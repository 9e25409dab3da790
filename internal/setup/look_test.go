package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/journaltest"
	"github.com/p2pban/p2pban/parser"
)

// canonical is a line as go-libp2p v0.51 logs it, junk one that it may log too.
const (
	canonical = `time=2026-11-20T11:17:19.901Z level=INFO source=swarm/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer=12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4 addr=/ip4/198.51.100.7/tcp/44788 sample_rate=100 connection_status=established dir=inbound`
	outbound  = `time=2026-11-20T11:17:19.901Z level=INFO source=swarm/swarm_dial.go:614 msg=CANONICAL_PEER_STATUS peer=12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4 addr=/ip4/198.51.100.7/tcp/44788 sample_rate=100 connection_status=established dir=outbound`
	junk      = `Daemon is ready`
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tree writes files under a new directory, by their paths in it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

// look looks at these places only.
func look(t *testing.T, places ...string) *Report {
	t.Helper()
	r, err := Look(t.Context(), Options{Look: places, OnlyLook: true, Ruleset: parser.Builtin(), Now: time.Now()})
	must(t, err)
	return r
}

// found gives the log of that name, relative to dir.
func found(t *testing.T, r *Report, name string) Found {
	t.Helper()
	i := slices.IndexFunc(r.Found, func(f Found) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("%s was not found: %+v", name, r)
	}
	return r.Found[i]
}

// load loads what was written as the daemon would.
func load(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p2pban.toml")
	must(t, os.WriteFile(path, []byte(text), 0o644))
	c, err := config.Load(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func jailNames(c *config.Config) []string {
	var names []string
	for _, j := range c.Jails {
		names = append(names, j.Name)
	}
	return names
}

func TestFiles(t *testing.T) {
	dir := tree(t, map[string]string{
		"ipfs/node.log":  canonical + "\n" + outbound + "\n" + junk + "\n",
		"lotus/node.log": junk + "\n",
		// What strangers can have written into other programs' logs.
		"nginx/access.log": `198.51.100.66 - - "GET /" 200 "` + canonical + `"` + "\n" + `x ` + canonical + "\n",
		"teku/node.log":    junk + "\n",
		"old/kubo.log":     canonical + "\n",
		"empty/kubo.log":   "",
	})
	old := time.Now().Add(-recent - time.Hour)
	must(t, os.Chtimes(filepath.Join(dir, "old/kubo.log"), old, old))
	loop := filepath.Join(dir, "ipfs/loop.log")
	must(t, os.Symlink(loop, loop))
	r := look(t, filepath.Join(dir, "*", "*.log"))

	kubo := found(t, r, filepath.Join(dir, "ipfs/node.log"))
	want := Found{
		Kind: KindFile, Name: kubo.Name, Files: []string{kubo.Name}, Program: "kubo", Implementations: []string{"go-libp2p"},
		Lines: 3, Records: 2, Events: 1, Refused: map[string]int64{"outbound": 1}, Formats: map[string]int64{"slog-text": 2}, Source: "kubo",
	}
	if d := cmp.Diff(want, kubo); d != "" {
		t.Error(d)
	}
	lotus := found(t, r, filepath.Join(dir, "lotus/node.log"))
	if lotus.Records != 0 || lotus.Source != "lotus" || !slices.ContainsFunc(lotus.Missing, func(s string) bool {
		return strings.HasPrefix(s, "GOLOG_LOG_LEVEL=error,canonical-log=info")
	}) {
		t.Errorf("a silent lotus: %+v", lotus)
	}
	teku := found(t, r, filepath.Join(dir, "teku/node.log"))
	if teku.Source != "" || len(teku.Notes) == 0 {
		t.Errorf("teku, which no rule reads, got a source or no reason: %+v", teku)
	}
	if len(r.Found) != 3 {
		t.Errorf("found more than the three nodes that run: %+v", r.Found)
	}
	if len(r.Unseen) != 1 || r.Unseen[0].What != loop {
		t.Errorf("not looked at: %+v, want %s", r.Unseen, loop)
	}

	text := r.Configuration(parser.Builtin(), time.Now())
	c := load(t, text)
	if len(c.Sources) != 2 || c.Sources[0].Files[0] != kubo.Name || c.Sources[1].Files[0] != lotus.Name {
		t.Errorf("sources: %+v", c.Sources)
	}
	if d := cmp.Diff([]string{"libp2p-churn", "libp2p-flood", "libp2p-handshake", "libp2p-misbehaving"}, jailNames(c)); d != "" {
		t.Error(d)
	}
	if !strings.Contains(text, "GOLOG_LOG_LEVEL=error,canonical-log=info") {
		t.Errorf("the configuration does not say what lotus lacks:\n%s", text)
	}
}

// The packaged service is not root: a log that it may not read is told.
func TestClosedLog(t *testing.T) {
	dir := tree(t, map[string]string{"open/node.log": canonical + "\n", "closed/node.log": canonical + "\n"})
	must(t, os.Chmod(filepath.Join(dir, "open/node.log"), 0o644))
	must(t, os.Chmod(filepath.Join(dir, "closed/node.log"), 0o600))
	r := look(t, filepath.Join(dir, "open"), filepath.Join(dir, "closed"))
	for name, told := range map[string]bool{"open/node.log": false, "closed/node.log": true} {
		f := found(t, r, filepath.Join(dir, name))
		if got := strings.Contains(strings.Join(f.Notes, " "), "root.conf"); got != told {
			t.Errorf("%s: the notes are %q", name, f.Notes)
		}
	}
}

// A stream on which strangers can write lines is found out, and said so.
func TestRisk(t *testing.T) {
	capture, err := filepath.Abs("../../testdata/captures/go-libp2p/v0.43.0-nocolor-identify-injection-warn.log")
	must(t, err)
	text, err := os.ReadFile(capture)
	must(t, err)
	dir := tree(t, map[string]string{"ipfs.log": string(text)})
	r := look(t, dir)
	f := found(t, r, filepath.Join(dir, "ipfs.log"))
	if len(f.Risks) != 1 || f.Risks[0].Name != parser.RiskIdentify.Info()[0].Name {
		t.Fatalf("risks: %+v", f.Risks)
	}
	// Comments are wrapped: compare without their line ends.
	flat := strings.ReplaceAll(r.Configuration(parser.Builtin(), time.Now()), "\n# ", " ")
	if !strings.Contains(flat, "Close it: "+f.Risks[0].Setting) {
		t.Errorf("the configuration does not say how to close the hole:\n%s", flat)
	}
}

// Whatever a file is called, its name stays a name.
func TestHostileNames(t *testing.T) {
	dir := tree(t, map[string]string{
		"kubo\n[firewall]\nbackend = \"none\".log": canonical + "\n",
		"kubo\x7f\u2028 [a] *?\\ \"'.log":          canonical + "\n",
	})
	r := look(t, dir)
	c := load(t, r.Configuration(parser.Builtin(), time.Now()))
	if c.Firewall.Backend != "auto" || len(c.Sources) != 2 {
		t.Fatalf("%+v", c)
	}
	for _, s := range c.Sources {
		if paths, err := filepath.Glob(s.Files[0]); err != nil || len(paths) != 1 {
			t.Errorf("%q stands for %q, %v; want the one file", s.Files[0], paths, err)
		}
	}
}

func TestLongFileIsReadAtItsEnd(t *testing.T) {
	dir := tree(t, map[string]string{"a.log": strings.Repeat(canonical+"\n", 2) + strings.Repeat(junk+"\n", fileBytes/len(junk)) + canonical + "\n"})
	if f := found(t, look(t, dir), filepath.Join(dir, "a.log")); f.Records != 1 {
		t.Errorf("%d records, want the last one only", f.Records)
	}
}

func TestNothingFound(t *testing.T) {
	r := look(t, t.TempDir(), "/nowhere/at/all")
	if text := r.Configuration(parser.Builtin(), time.Now()); text != "" || len(r.Found) != 0 {
		t.Errorf("found %+v\n%s", r.Found, text)
	}
	if r.Found == nil {
		t.Error("in JSON what was found is null, and no list")
	}
	if len(r.Unseen) != 1 || r.Unseen[0].What != "/nowhere/at/all" {
		t.Errorf("not looked at: %+v", r.Unseen)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Look(ctx, Options{OnlyLook: true, Ruleset: parser.Builtin(), Now: time.Now()}); err == nil {
		t.Error("no error")
	}
}

// TestNoTimeForContainers names the logs that there was no time for: of a part of a
// log nobody can say that the node logs nothing to judge by.
func TestNoTimeForContainers(t *testing.T) {
	pods := tree(t, map[string]string{"default_kubo-0_0ab1/kubo/0.log": strings.Repeat(junk+"\n", 5000) + canonical + "\n"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, _ := Look(ctx, Options{Look: []string{pods}, OnlyLook: true, Ruleset: parser.Builtin(), Now: time.Now()})
	log := filepath.Join(pods, "default_kubo-0_0ab1/kubo/0.log")
	if len(r.Found) != 0 || len(r.Unseen) != 1 || r.Unseen[0].What != log {
		t.Errorf("found %+v, not looked at %+v; want %s not looked at", r.Found, r.Unseen, log)
	}
}

// The lines of a unit stand in syslog's files too, and must not count twice.
func TestSyslogBesideJournal(t *testing.T) {
	l := &looker{opts: Options{Ruleset: parser.Builtin()}, report: &Report{Found: []Found{
		{Kind: KindUnit, Name: "ipfs.service", Program: "kubo", Records: 5},
		{Kind: KindFile, Name: "/var/log/syslog", Files: []string{"/var/log/syslog"}, Records: 5},
		{Kind: KindUnit, Name: "ipfs-backup.service", Program: "kubo"},
		{Kind: KindUserUnit, Name: "ipfs.service", Program: "kubo", Records: 1, UID: "1000"},
		{Kind: KindUnit, Name: "docker.service", Implementations: []string{"go-libp2p"}, Records: 1},
	}}}
	l.finish()
	var got []string
	for _, f := range l.report.Found {
		got = append(got, f.Name+" "+f.Source)
	}
	want := []string{"ipfs.service ipfs", "/var/log/syslog ", "ipfs.service ipfs-2", "docker.service docker", "ipfs-backup.service "}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestJournal(t *testing.T) {
	dir := t.TempDir()
	at := time.Now().Add(-time.Hour)
	entry := func(message string, fields ...string) journaltest.Entry {
		at = at.Add(time.Second)
		return journaltest.Entry{Time: at, Fields: append(fields, "MESSAGE="+message)}
	}
	journaltest.WriteFile(t, dir, "a", []journaltest.Entry{
		entry(junk, "_SYSTEMD_UNIT=ipfs.service", "_COMM=ipfs"),
		entry(canonical, "_SYSTEMD_UNIT=ipfs.service", "_COMM=ipfs"),
		entry(canonical, "_SYSTEMD_UNIT=ipfs.service", "_COMM=ipfs"),
		entry(junk, "_SYSTEMD_UNIT=chain.service", "_COMM=lotus"),
		entry("Accepted publickey", "_SYSTEMD_UNIT=ssh.service", "_COMM=sshd"),
		entry(canonical, "_SYSTEMD_UNIT=user@1000.service", "_SYSTEMD_USER_UNIT=node.service", "_COMM=ipfs", "_UID=1000"),
		entry(canonical, "_SYSTEMD_UNIT=user@1000.service", "_SYSTEMD_USER_UNIT=lotus.service", "_COMM=lotus", "_UID=1000"),
		entry(canonical, "_SYSTEMD_UNIT=user@1001.service", "_SYSTEMD_USER_UNIT=lotus.service", "_COMM=sh", "_UID=1001"),
		entry(canonical, "_SYSTEMD_UNIT=p2pban.service", "_COMM=p2pban"),
	})
	r := look(t, dir)
	if len(r.Unseen) > 0 {
		t.Fatalf("not looked at: %+v", r.Unseen)
	}
	if f := found(t, r, "ipfs.service"); f.Kind != KindUnit || f.Lines != 3 || f.Records != 2 || f.Source != "ipfs" {
		t.Errorf("%+v", f)
	}
	if f := found(t, r, "chain.service"); f.Program != "lotus" || len(f.Missing) == 0 || f.Source != "chain" {
		t.Errorf("the unit that runs lotus: %+v", f)
	}
	if f := found(t, r, "node.service"); f.Kind != KindUserUnit || f.Source != "node" || f.Records != 1 {
		t.Errorf("%+v", f)
	}
	// Whose unit is meant when several users have one nobody can tell.
	if f := found(t, r, "lotus.service"); f.Source != "" || !strings.Contains(strings.Join(f.Notes, " "), "1000, 1001") {
		t.Errorf("%+v", f)
	}
	// The same line, under the name of the user's manager, must not count twice.
	if f := found(t, r, "user@1000.service"); f.Source != "" {
		t.Errorf("%+v", f)
	}
	for _, f := range r.Found {
		if f.Name == "ssh.service" || f.Name == ownUnit {
			t.Errorf("found %+v", f)
		}
	}
	c := load(t, r.Configuration(parser.Builtin(), time.Now()))
	for _, s := range c.Sources {
		if s.Directory != dir {
			t.Errorf("source %s reads directory %q, want %q", s.Name, s.Directory, dir)
		}
		if len(s.UserUnits) > 0 && !slices.Equal(s.Matches, []string{"_UID=1000"}) {
			t.Errorf("the user unit %v is narrowed by %v, want by its user", s.UserUnits, s.Matches)
		}
	}
}

func TestDocker(t *testing.T) {
	line := func(text string) string {
		quoted, err := json.Marshal(text + "\n")
		must(t, err)
		return `{"log":` + string(quoted) + `,"stream":"stderr","time":"2026-11-20T11:17:20.000000001Z"}` + "\n"
	}
	const conf = `{"Name":"/%NAME%","LogPath":"/elsewhere/containers/%ID%/%ID%-json.log","Config":{"Image":"%IMAGE%"}}`
	config := func(id, name, image string) string {
		return strings.NewReplacer("%ID%", id, "%NAME%", name, "%IMAGE%", image).Replace(conf)
	}
	dir := tree(t, map[string]string{
		"containers/aa/config.v2.json":  config("aa", "node-1", "docker.io/ipfs/kubo:v0.39"),
		"containers/aa/hostconfig.json": `{"LogConfig":{"Type":"json-file"}}`,
		"containers/aa/aa-json.log":     line(canonical) + line(junk),
		"containers/bb/config.v2.json":  config("bb", "web", "nginx"),
		"containers/bb/hostconfig.json": `{"LogConfig":{"Type":"json-file"}}`,
		"containers/bb/bb-json.log":     line(junk),
		"containers/cc/config.v2.json":  config("cc", "lotus", "filecoin/lotus"),
		"containers/cc/hostconfig.json": `{"LogConfig":{"Type":"journald"}}`,
		"containers/dd/config.v2.json":  config("dd", "celestia", "celestia"),
		"containers/dd/hostconfig.json": `{"LogConfig":{"Type":"local"}}`,
		"containers/ee/config.v2.json":  `{`,
	})
	r := look(t, dir)
	f := found(t, r, "node-1")
	if f.Kind != KindContainer || f.Program != "kubo" || f.Records != 1 || f.Lines != 2 ||
		f.Files[0] != filepath.Join(dir, "containers/aa/aa-json.log") || f.Source == "" {
		t.Errorf("%+v", f)
	}
	if f := found(t, r, "lotus"); f.Source != "lotus" || f.Lines != 0 || !strings.Contains(f.Headline(), "logged nothing") {
		t.Errorf("a container that logs to the journal: %+v", f)
	}
	noJournal := slices.IndexFunc(r.Unseen, func(u Unseen) bool { return u.What == "lotus" }) // on this machine
	if noJournal >= 0 {
		r.Unseen = slices.Delete(r.Unseen, noJournal, noJournal+1)
	}
	if len(r.Found) != 2 || len(r.Unseen) != 2 {
		t.Errorf("found %+v, not looked at %+v; want the log driver local and the broken file among the latter", r.Found, r.Unseen)
	}
	c := load(t, r.Configuration(parser.Builtin(), time.Now()))
	if len(c.Sources) != 2 || !slices.Equal(c.Sources[1].Matches, []string{"CONTAINER_NAME=lotus", fmt.Sprint("_UID=", os.Getuid())}) {
		t.Errorf("%+v", c.Sources)
	}
	for i := range r.Found { // as in Docker's usual directory
		r.Found[i].ByName = r.Found[i].Files != nil
	}
	c = load(t, r.Configuration(parser.Builtin(), time.Now()))
	if !slices.Equal(c.Sources[0].Containers, []string{"node-1"}) {
		t.Errorf("%+v", c.Sources)
	}
}

func TestPods(t *testing.T) {
	cri := func(text string) string { return "2026-11-20T11:17:20.000000001Z stderr F " + text + "\n" }
	dir := tree(t, map[string]string{
		"ipfs_kubo-0_11/kubo/0.log":     cri(junk),
		"ipfs_kubo-0_11/kubo/1.log":     cri(canonical),
		"ipfs_kubo-0_11/sidecar/0.log":  cri("something else"),
		"ipfs_kubo-1_12/kubo/0.log":     cri(canonical) + cri(canonical),
		"other_web-0_13/nginx/0.log":    cri("GET /"),
		"other_web-0_13/nginx/0.log.gz": "x",
	})
	r := look(t, dir)
	kubo := slices.DeleteFunc(slices.Clone(r.Found), func(f Found) bool { return f.Source == "" })
	if len(kubo) != 1 || kubo[0].Records != 2 || kubo[0].Files[0] != filepath.Join(dir, "ipfs_*_*/kubo/*.log") {
		t.Errorf("%+v", r.Found)
	}
	load(t, r.Configuration(parser.Builtin(), time.Now()))
}

func TestProgramOf(t *testing.T) {
	for _, c := range [][2]string{
		{"ipfs-daemon.service", "kubo"}, {"go-ipfs@1.service", "kubo"}, {"ipfs-cluster.service", "go-libp2p"},
		{"docker.io/sigp/lighthouse:v7", "lighthouse"}, {"eth2-beacon-chain.service", "prysm"}, {"beacon.service", ""},
		{"ipfsd-watch.service", ""}, {"Lotus-Miner.service", "lotus"}, {"", ""},
		{"us-docker.pkg.dev/oplabs-tools-artifacts/images/op-node:v1.19.6", "op-node"},
		{"harbor.status.im/wakuorg/logosdelivery:latest", "nwaku"}, {"logosdeliverynode.service", "nwaku"},
	} {
		if got := programOf(c[0]); got != c[1] {
			t.Errorf("%q is %q, want %q", c[0], got, c[1])
		}
	}
}

// Every program that is looked for is one that the rules know something of.
func TestPrograms(t *testing.T) {
	rs := parser.Builtin()
	for _, p := range programs {
		known := len(rulesOf(rs, p.implementation)) > 0
		_, notes := (&looker{opts: Options{Ruleset: rs}}).silent(Found{Program: p.implementation})
		if !known && len(notes) == 0 {
			t.Errorf("%s is %s, of which the rules say nothing", p.words, p.implementation)
		}
	}
}

// What this user may not look into is named, for globs too.
func TestBarred(t *testing.T) {
	const nobody = 65534
	dir := tree(t, map[string]string{"open/a.log": canonical, "closed/a.log": canonical, "home/x/logs/a.log": canonical})
	for _, d := range []string{"closed", "home/x"} {
		must(t, os.Chmod(filepath.Join(dir, d), 0))
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "home/x"), 0o700); os.Chmod(filepath.Join(dir, "closed"), 0o700) })
	if os.Geteuid() == 0 {
		for _, d := range []string{dir, filepath.Dir(dir)} {
			must(t, os.Chmod(d, 0o755))
		}
		// On Linux a thread has its own rights to files.
		runtime.LockOSThread()
		must(t, unix.Setfsuid(nobody))
		defer func() {
			must(t, unix.Setfsuid(0))
			runtime.UnlockOSThread()
		}()
	}
	if d := cmp.Diff([]string{filepath.Join(dir, "closed")}, barred(filepath.Join(dir, "*", "*.log"))); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{filepath.Join(dir, "home/x")}, barred(filepath.Join(dir, "home/*/logs/*.log"))); d != "" {
		t.Error(d)
	}
}
