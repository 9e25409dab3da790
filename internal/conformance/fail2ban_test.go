package conformance

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/p2pban/p2pban/parser"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/fail2ban.md; review the diff")

const captureDir = "../../testdata/captures"

// capture is one file of real lines, and what each filter makes of it.
type capture struct {
	name  string // "go-libp2p/v0.51.0-nocolor"
	lines []string
	// guilty are the hosts that may be accused.
	guilty []string
	// accused counts lines by filter and host.
	accused map[string]map[string]int
}

// The filters compared.
const (
	documented = "documented"
	anchored   = "anchored"
	ours       = "p2pban"
)

var filters = []string{documented, anchored, ours}

// guiltyOf says from the README of the captures who did wrong in one of them.
// Whoever else is accused is innocent: 8.8.8.8 never sent a packet, 203.0.113.99
// is a relay, 203.0.113.1, 2001:db8:a::1, 127.0.0.1 and ::1 are the node itself.
func guiltyOf(name string) []string {
	switch {
	case strings.Contains(name, "-outbound"): // the node dialled an innocent peer
		return nil
	case strings.Contains(name, "-relay-"): // the peer came through the relay
		return nil
	case strings.HasSuffix(name, "-direct"): // direct calls of the API, with these peers
		return []string{"203.0.113.66", "2001:db8::66"}
	}
	return []string{"203.0.113.66", "2001:db8:a::66"}
}

func readCaptures(t *testing.T) []capture {
	t.Helper()
	var out []capture
	for _, dir := range []string{"go-libp2p", "carriers"} {
		entries, err := os.ReadDir(filepath.Join(captureDir, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			// A dump of the journal is binary, and no file that fail2ban reads.
			if ext := filepath.Ext(e.Name()); ext == ".tsv" || ext == ".bin" {
				continue
			}
			text := readFile(t, filepath.Join(captureDir, dir, e.Name()))
			name := dir + "/" + strings.TrimSuffix(e.Name(), ".log")
			out = append(out, capture{
				name: name, lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n"),
				guilty: guiltyOf(name), accused: map[string]map[string]int{},
			})
		}
	}
	if len(out) < 60 {
		t.Fatalf("only %d captures", len(out))
	}
	return out
}

// runFail2ban gives the host that the real fail2ban accuses for each line that
// a filter matches. It reads all captures in one go; what it finds in a line
// does not depend on the others.
func runFail2ban(t *testing.T, filter string, captures []capture) map[string]string {
	t.Helper()
	var all bytes.Buffer
	known := map[string]int{}
	for _, c := range captures {
		for _, l := range c.lines {
			fmt.Fprintln(&all, l)
			known[strings.TrimSuffix(l, "\r")]++ // which a terminal's line has, and fail2ban drops
		}
	}
	log := filepath.Join(t.TempDir(), "all.log")
	if err := os.WriteFile(log, all.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	// The path of a filter must be absolute to be taken for one.
	path, err := filepath.Abs("../../testdata/fail2ban/" + filter + ".conf")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("fail2ban-regex", "--encoding", "utf-8", "--usedns", "no", "--out", "<ip>\t<matches>", log, path)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("fail2ban-regex: %v\n%s", err, out)
	}
	hosts := map[string]string{}
	rows, matched := 0, 0
	for row := range strings.Lines(string(out)) {
		host, line, ok := strings.Cut(strings.TrimSuffix(row, "\n"), "\t")
		if !ok || known[line] == 0 {
			t.Fatalf("fail2ban-regex printed %q, which is no line of a capture", row)
		}
		hosts[line] = host
		rows++
	}
	for line := range hosts {
		matched += known[line]
	}
	if rows != matched {
		t.Fatalf("fail2ban matched %d lines, but %d are like these", rows, matched)
	}
	return hosts
}

func requireFail2ban(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("fail2ban-regex"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("fail2ban is not installed (apt-get install fail2ban): %v", err)
		}
		t.Skip("fail2ban is not installed (apt-get install fail2ban): nothing to compare with")
	}
}

// judgeOurs reads a capture as the daemon does: it remembers the holes that the
// stream has shown, and that a line continues a cut one.
func judgeOurs(p *parser.Parser, c *capture) {
	c.accused[ours] = map[string]int{}
	var (
		res   parser.Result
		risks parser.Risks
		cut   parser.Pieces
	)
	for _, l := range c.lines {
		line := parser.Line{Text: l, Distrust: risks}
		p.Parse(line, &res)
		cut.Settle(&line, &res)
		risks |= res.Risk
		if res.Reject == parser.Accepted {
			c.accused[ours][res.Event.Host.String()]++
		}
	}
}

func judgeAll(t *testing.T) []capture {
	t.Helper()
	requireFail2ban(t)
	captures := readCaptures(t)
	for _, filter := range []string{documented, anchored} {
		hosts := runFail2ban(t, filter, captures)
		for i := range captures {
			c := &captures[i]
			c.accused[filter] = map[string]int{}
			for _, l := range c.lines {
				if h, ok := hosts[strings.TrimSuffix(l, "\r")]; ok {
					c.accused[filter][h]++
				}
			}
		}
	}
	// The documented filter reads CANONICAL_PEER_STATUS only: so do we here.
	p, err := parser.New(parser.Builtin(), parser.Options{Rules: []string{"go-libp2p/connection", "go-libp2p/handshake"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range captures {
		judgeOurs(p, &captures[i])
	}
	return captures
}

// split counts the lines that accuse the guilty, and lists the innocent.
func (c *capture) split(filter string) (right int, wrong map[string]int) {
	wrong = map[string]int{}
	for host, n := range c.accused[filter] {
		if slices.Contains(c.guilty, host) {
			right += n
		} else {
			wrong[host] = n
		}
	}
	return right, wrong
}

// TestFail2ban holds the tables of docs/fail2ban.md against the real fail2ban
// and ourselves, and both against what the captures are known to hold.
func TestFail2ban(t *testing.T) {
	captures := judgeAll(t)
	for i := range captures {
		expectFromIndex(t, &captures[i])
	}
	const doc = "../../docs/fail2ban.md"
	old := readFile(t, doc)
	text := old
	for name, table := range map[string]string{"sums": sumsTable(captures), "hosts": hostsTable(captures), "captures": capturesTable(captures)} {
		begin, end := "<!-- table "+name+" -->\n", "<!-- end "+name+" -->"
		before, rest, ok1 := strings.Cut(text, begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s has no table %q", doc, name)
		}
		text = before + begin + table + end + after
	}
	if text == old {
		return
	}
	if !*update {
		t.Fatalf("the tables of %s are not what fail2ban and p2pban do; go test ./internal/conformance -run Fail2ban -update rewrites them, review the diff", doc)
	}
	if err := os.WriteFile(doc, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// expectFromIndex reasons from what the attacker did: the index of a main
// capture says how many lines each scenario has.
func expectFromIndex(t *testing.T, c *capture) {
	version, format, _ := strings.Cut(strings.TrimPrefix(c.name, "go-libp2p/"), "-")
	_, wrong := c.split(documented)
	if version == "v0.51.0" {
		// The name is followed by no colon: only text that a peer wrote matches.
		for host := range wrong {
			if host != "8.8.8.8" || c.accused[documented]["203.0.113.66"] != 0 {
				t.Errorf("%s: the documented filter accuses %v", c.name, c.accused[documented])
			}
		}
	}
	_, oursWrong := c.split(ours)
	delete(oursWrong, "2001:db8:a::1") // the node's own address, which the daemon protects
	if len(oursWrong) != 0 {
		t.Errorf("%s: p2pban accuses %v", c.name, oursWrong)
	}
	if !slices.Contains([]string{"nocolor", "color", "json"}, format) {
		return
	}
	var relayed, loopback, linkLocal, hostile int
	for row := range strings.Lines(readFile(t, filepath.Join(captureDir, c.name+".index.tsv"))) {
		cell := strings.Split(row, "\t")
		n, err := strconv.Atoi(cell[3])
		if err != nil {
			t.Fatal(err)
		}
		switch scenario := cell[0]; {
		case strings.Contains(scenario, "relay"):
			relayed += n
		case strings.Contains(scenario, "loopback"):
			loopback += n
		case strings.Contains(scenario, "ll6"), strings.Contains(scenario, "linklocal"):
			linkLocal += n
		case strings.HasPrefix(scenario, "hs-tls-alpn"), scenario == "hs-tls-san":
			hostile += n
		}
	}
	right, _ := c.split(ours)
	own := c.accused[ours]["2001:db8:a::1"]
	if want := len(c.lines) - relayed - loopback - linkLocal; right != want || own > loopback {
		t.Errorf("%s: p2pban accuses the attacker in %d lines and the node in %d, want %d", c.name, right, own, want)
	}
	if version == "v0.51.0" || format == "json" {
		return
	}
	self := wrong["127.0.0.1"] + wrong["::1"] + wrong["2001:db8:a::1"]
	if wrong["203.0.113.99"] != relayed || self != loopback || wrong["8.8.8.8"] != hostile {
		t.Errorf("%s: the documented filter accuses %v; the scenarios have %d relayed lines, %d over loopback, %d with an address in the error",
			c.name, wrong, relayed, loopback, hostile)
	}
	matched := 0
	for _, n := range c.accused[documented] {
		matched += n
	}
	if matched != len(c.lines)-linkLocal {
		t.Errorf("%s: the documented filter matches %d of %d lines, %d are link-local", c.name, matched, len(c.lines), linkLocal)
	}
}

// fail2ban refuses a jail that names its filter as the documentation does, with
// a comment behind it, and takes the same jail without.
func TestDocumentedJail(t *testing.T) {
	requireFail2ban(t)
	dir := filepath.Join(t.TempDir(), "fail2ban")
	if err := os.CopyFS(dir, os.DirFS("/etc/fail2ban")); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "node.log")
	for path, text := range map[string]string{
		log: "",
		filepath.Join(dir, "filter.d", "go-libp2p-peer-status.conf"): readFile(t, "../../testdata/fail2ban/documented.conf"),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	try := func(filter string) (string, error) {
		jail := "[DEFAULT]\nbackend = polling\n[sshd]\nenabled = false\n[go-libp2p]\nenabled = true\nlogpath = " + log +
			"\nfilter = " + filter + "\nfindtime = 180\nmaxretry = 90\nbantime = 600\n"
		if err := os.WriteFile(filepath.Join(dir, "jail.local"), []byte(jail), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("fail2ban-client", "-c", dir, "-t").CombinedOutput()
		return string(out), err
	}
	if out, err := try("go-libp2p-peer-status # the name of the filter"); err == nil || !strings.Contains(out, "Unable to read the filter 'go-libp2p-peer-status #") {
		t.Errorf("with a comment: %v\n%s", err, out)
	}
	if out, err := try("go-libp2p-peer-status"); err != nil {
		t.Errorf("without: %v\n%s", err, out)
	}
}
