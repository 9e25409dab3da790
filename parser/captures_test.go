package parser

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The hosts of the go-libp2p captures (testdata/captures/README.md).
const (
	attacker4 = "203.0.113.66"
	attacker6 = "2001:db8:a::66"
	selfV6    = "2001:db8:a::1" // the node's own, which only its operator can know
	framed    = "8.8.8.8"       // never sent a packet
)

func readLines(t testing.TB, file string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testdata, file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// outcome is what a scenario's lines must come to: hosts, or reasons.
type outcome map[string]bool

func oneOf(words ...string) outcome {
	o := outcome{}
	for _, w := range words {
		o[w] = true
	}
	return o
}

// expect reasons from a scenario's name in a capture's index what its lines
// may come to. "loopback" scenarios run inside the node's own namespace; "ll6"
// ones come from a link-local address, which go-libp2p prints behind /ip6zone
// or, over websocket, inside /dns; relayed ones name the relay; all else comes
// from the attacker's address of the family in the name.
func expect(scenario string) outcome {
	switch {
	case strings.Contains(scenario, "loopback"):
		return oneOf("private")
	case strings.Contains(scenario, "ll6"), strings.Contains(scenario, "linklocal"):
		return oneOf("private", "no-ip")
	case strings.Contains(scenario, "relay"):
		return oneOf("relayed")
	case strings.Contains(scenario, "ip6"):
		return oneOf(attacker6)
	case strings.HasPrefix(scenario, "est-quic"), strings.HasPrefix(scenario, "est-webtransport"):
		// A client learns the node's other address by identify and may dial that.
		return oneOf(attacker4, attacker6)
	}
	return oneOf(attacker4)
}

// TestScenarios holds every line of the main captures against its scenario.
func TestScenarios(t *testing.T) {
	p := newParser(t, Options{})
	for _, version := range []string{"v0.22.0", "v0.43.0", "v0.51.0"} {
		for _, format := range []string{"nocolor", "color", "json"} {
			name := version + "-" + format
			t.Run(name, func(t *testing.T) {
				lines := readLines(t, "captures/go-libp2p/"+name+".log")
				seen := 0
				for _, row := range readLines(t, "captures/go-libp2p/"+name+".index.tsv") {
					cell := strings.Split(row, "\t")
					first, err1 := strconv.Atoi(cell[1])
					last, err2 := strconv.Atoi(cell[2])
					if err1 != nil || err2 != nil {
						t.Fatalf("index: %q", row)
					}
					for n := first; n <= last; n++ {
						checkScenarioLine(t, p, cell[0], fmt.Sprintf("%s:%d", name, n), lines[n-1])
						seen++
					}
				}
				if seen != len(lines) {
					t.Errorf("the index speaks of %d lines, the log has %d", seen, len(lines))
				}
			})
		}
	}
}

func checkScenarioLine(t *testing.T, p *Parser, scenario, where, line string) {
	t.Helper()
	var res Result
	p.Parse(Line{Text: line}, &res)
	got := res.Reject.String()
	if res.Reject == Accepted {
		got = res.Event.Host.String()
	}
	want := expect(scenario)
	if where == "v0.43.0-nocolor:19" {
		// This client had learnt the node's global address and dialled that, from
		// inside the node's namespace: nothing in the line tells it from a
		// stranger's. The operator's ignoreip does.
		want = oneOf(selfV6)
	}
	if !want[got] {
		t.Errorf("%s (%s): %s (%s), want %v\n%s", where, scenario, got, res.Detail, slices.Sorted(maps.Keys(want)), line)
	}
	if res.Reject != Accepted {
		return
	}
	// The sample rate is the literal 100 at every call site. A scenario of
	// established connections can have a handshake failure too, when a client
	// hangs up early; one of failures has no established connection, but for
	// those where the dialler finds the wrong peer id after the handshake.
	wantRule := "go-libp2p/connection"
	if strings.HasPrefix(scenario, "hs-") {
		wantRule = "go-libp2p/handshake"
	}
	early := strings.HasPrefix(scenario, "est-") || strings.Contains(scenario, "wrongid")
	if res.Event.Weight != 100 || res.Event.Rule != wantRule && !early || res.Event.Time.IsZero() {
		t.Errorf("%s (%s): %s, weight %d, at %v", where, scenario, res.Event.Rule, res.Event.Weight, res.Event.Time)
	}
	if (res.Event.Peer != "") != (res.Event.Rule == "go-libp2p/connection") {
		t.Errorf("%s: peer %q with %s", where, res.Event.Peer, res.Event.Rule)
	}
}

// capture is what a whole file must come to: the hosts accused, and the
// reasons that must occur and no others (Unrecognised aside).
type capture struct {
	file    string
	rules   []string // nil: those on by default
	hosts   []string
	reasons []Reject
	risks   Risks
}

// The expectations follow from the README of the captures: who sent what. The
// canonicallog calls of "-direct" name 203.0.113.66 and 2001:db8::66 as peers,
// and one of each kind of address that names nobody.
func captures() []capture {
	direct := []string{attacker4, "2001:db8::66"}
	directReasons := []Reject{NoRule, Relayed, Private, NoIP, Unproven}
	forgedWhole := []string{framed}
	upgrade := []string{"go-libp2p/upgrade"}
	js := []string{"js-libp2p/threshold", "js-libp2p/denied", "js-libp2p/encryption"}
	const g, j, c, k = "captures/go-libp2p/", "captures/js-libp2p/", "captures/carriers/", "captures/kubo/v0.43.1-"
	list := []capture{
		{g + "v0.22.0-nocolor-outbound.log", nil, nil, []Reject{Outbound}, 0},
		{g + "v0.43.0-nocolor-outbound.log", nil, nil, []Reject{Outbound}, 0},
		{g + "v0.51.0-nocolor-outbound.log", nil, nil, []Reject{Outbound}, 0},
		{g + "v0.51.0-nocolor-outbound-quic.log", nil, nil, []Reject{Outbound}, 0},
		{g + "v0.43.0-json-relay-tcp.log", nil, nil, []Reject{Relayed}, 0},
		{g + "v0.43.0-nocolor-relay-tcp.log", nil, nil, []Reject{Relayed}, 0},
		{g + "v0.51.0-nocolor-relay-tcp.log", nil, nil, []Reject{Relayed}, 0},
		// These scenarios saw nothing but a few canonical lines, or none.
		{g + "v0.43.0-nocolor-runtime-setlevel.log", nil, []string{attacker4}, nil, 0},
		{g + "v0.43.0-nocolor-rcmgr-default-churn.log", nil, []string{attacker4}, nil, 0},
		// An ALPN text with a canonical record's name in a debug line of the
		// upgrader: Forged, but for slog, where it stands quoted in its field and
		// the line is the upgrade rule's.
		{g + "v0.22.0-nocolor-prehandshake-upgrader-debug.log", upgrade, nil, []Reject{Forged}, 0},
		{g + "v0.22.0-nocolor-prehandshake-upgrader-debug.log", nil, nil, []Reject{Forged}, 0},
		{g + "v0.43.0-nocolor-prehandshake-upgrader-debug.log", nil, nil, []Reject{Forged}, 0},
		{g + "v0.51.0-nocolor-prehandshake-upgrader-debug.log", nil, nil, []Reject{Forged}, 0},
		{g + "v0.51.0-nocolor-prehandshake-upgrader-debug.log", upgrade, []string{attacker4}, nil, 0},
		// The hole: whole forged lines on the console, and their witness.
		{g + "v0.22.0-nocolor-identify-injection-warn.log", nil, forgedWhole, nil, RiskIdentify},
		{g + "v0.22.0-color-identify-injection-warn.log", nil, forgedWhole, nil, RiskIdentify},
		{g + "v0.43.0-nocolor-identify-injection-warn.log", nil, forgedWhole, nil, RiskIdentify},
		{g + "v0.22.0-json-identify-injection-warn.log", nil, nil, []Reject{Forged}, 0},
		{g + "v0.43.0-json-identify-injection-warn.log", nil, nil, []Reject{Forged}, 0},
		{g + "v0.51.0-nocolor-identify-injection-warn.log", nil, nil, []Reject{Forged}, 0},
		{g + "v0.51.0-json-identify-injection-warn.log", nil, nil, []Reject{Forged}, 0},
		// Kubo at INFO prints why a peer closed its connection.
		{k + "nocolor-info-closed.log", nil, []string{attacker4, framed}, nil, RiskAnswer},
		{k + "json-info-closed.log", nil, []string{attacker4}, []Reject{Forged}, 0},
		// It has go-libp2p's own records printed by go-log.
		{k + "nocolor-upgrader-debug.log", upgrade, []string{attacker4}, nil, 0},
		{k + "json-upgrader-debug.log", upgrade, []string{attacker4}, nil, 0},
		// journald's cuts: the first pieces, which the node wrote of a client on its
		// own machine, and the continuations that begin with a forged record.
		{c + "journald-252-48K-split-forged-v0.43.0.json", nil, nil, []Reject{Private, Forged}, 0},
		{c + "journald-252-48K-split-forged-v0.51.0.json", nil, nil, []Reject{Private, Forged}, 0},
		{c + "journald-252-48K-split-forged-v0.43.0.log", nil, nil, []Reject{Cut, Forged}, 0},
		{c + "journald-252-48K-split-forged-v0.51.0.log", nil, nil, []Reject{Cut, Forged}, 0},
		// js-libp2p: 24 and 04 hold lines that a stranger wrote whole; in 04 the
		// logger's closing quote still stands at their end. With DEBUG=libp2p:* the
		// hole shows wherever a client gets as far as naming a protocol.
		{j + "js-01-threshold-default.log", js, []string{"203.0.113.50"}, nil, 0},
		{j + "js-02-denylist.log", js, []string{"203.0.113.66"}, nil, 0},
		{j + "js-03-junk.log", js, []string{"203.0.113.77", "203.0.113.78", "203.0.113.79"}, nil, RiskMultistream},
		{j + "js-04-attacker-text.log", js, []string{"203.0.113.80"}, []Reject{Forged}, RiskMultistream},
		// The limits on all connections together name bystanders; the flooder's own
		// connections that were let in end in a failed encryption.
		{j + "js-05-maxconnections.log", js, nil, nil, 0},
		{j + "js-06-incomingpending.log", js, []string{"203.0.113.50"}, nil, 0},
		{j + "js-08-gater-denyPeer.log", js, nil, nil, 0},
		{j + "js-09-ipv6-and-mapped.log", js, []string{"2001:db8::50"}, nil, 0},
		{j + "js-13-ansi-colours.log", js, []string{"203.0.113.50"}, nil, 0},
		{j + "js-21-relay-victim.log", js, nil, []Reject{Relayed}, 0},
		{j + "js-07-gater-denyInbound.log", js, nil, nil, 0},
		{j + "js-10-websocket.log", js, nil, nil, 0},
		{j + "js-17-connection-manager-only.log", js, []string{"203.0.113.50"}, nil, 0},
		{j + "js-19-outbound-junk.log", js, nil, nil, 0},
		{j + "js-24-forged-line-exact.log", js, []string{"198.51.100.99", "203.0.113.80"}, nil, RiskMultistream},
	}
	// The replica of Rust nodes' events: 203.0.113.7 in all of them; the line
	// that Forest's "Banning peer" breaks off has a field behind it.
	rust := []string{
		"rust-libp2p/upgrade", "rust-libp2p/length-prefix", "lighthouse/banned", "lighthouse/handshake",
		"avail/handshake", "polkadot-sdk/handshake",
	}
	for format, risk := range map[string]Risks{"full": RiskDisplay, "compact": RiskDisplay, "ansi": RiskDisplay, "json": 0} {
		list = append(list, capture{"captures/rust-tracing/rust-replica-tracing-subscriber-0.3.16-" + format + ".log", rust, []string{"203.0.113.7"}, nil, risk})
	}
	for _, name := range []string{
		"v0.22.0-nocolor-direct", "v0.22.0-color-direct", "v0.22.0-json-direct", "v0.43.0-nocolor-direct",
		"v0.43.0-color-direct", "v0.43.0-json-direct", "v0.43.0-nocolor-labels-direct", "v0.43.0-json-labels-direct",
		"v0.43.0-badlevel-direct", "v0.43.0-defaultfmt-pipe-direct", "v0.43.0-defaultfmt-tty-direct",
	} {
		// The unix address with spaces is not quoted up to v0.43.
		list = append(list, capture{g + name + ".log", nil, direct, append(directReasons, Malformed), 0})
	}
	for _, name := range []string{
		"nocolor-direct", "color-direct", "json-direct", "nocolor-labels-direct", "json-labels-direct",
		"noaddsource-direct", "trimpath-direct", "defaultfmt-pipe-direct", "defaultfmt-tty-direct",
	} {
		list = append(list, capture{g + "v0.51.0-" + name + ".log", nil, direct, directReasons, 0})
	}
	// The first line is glued to the complaint about the level.
	list = append(list, capture{g + "v0.51.0-badlevel-direct.log", nil, direct, append(directReasons, Malformed), 0})
	for _, name := range []string{
		"journald-252-cat.log", "journald-252-short.log", "journald-252-short-all.log", "journald-252-short-iso.log",
		"journald-252-json.log", "journald-252-export.bin", "rsyslog-8.2302-trad-default.log",
		"rsyslog-8.2302-trad-noescape.log", "rsyslog-8.2302-rfc3339-default.log",
	} {
		// Ten genuine lines, and two of the identify injection.
		list = append(list, capture{c + name, nil, []string{attacker4, framed}, nil, RiskIdentify})
	}
	return list
}

func TestCaptures(t *testing.T) {
	for _, c := range captures() {
		t.Run(fmt.Sprint(filepath.Base(c.file), c.rules), func(t *testing.T) {
			p := newParser(t, Options{Rules: c.rules})
			hosts, reasons, risks := readCapture(t, p, c.file, 0)
			if got := slices.Sorted(maps.Keys(hosts)); !slices.Equal(got, slices.Sorted(slices.Values(c.hosts))) {
				t.Errorf("accuses %v, want %v", got, c.hosts)
			}
			want := map[Reject]bool{}
			for _, r := range c.reasons {
				want[r] = true
				if reasons[r] == 0 {
					t.Errorf("no line is %v", r)
				}
			}
			for r, n := range reasons {
				if !want[r] {
					t.Errorf("%d lines are %v", n, r)
				}
			}
			if risks != c.risks {
				t.Errorf("risks %v, want %v", risks.Info(), c.risks.Info())
			}
		})
	}
}

// readCapture reads a file and counts what becomes of its lines.
func readCapture(t *testing.T, p *Parser, file string, distrust Risks) (hosts map[string]int, reasons map[Reject]int, risks Risks) {
	t.Helper()
	hosts, reasons = map[string]int{}, map[Reject]int{}
	var res Result
	for _, line := range readLines(t, file) {
		p.Parse(Line{Text: line, Ref: sampleRef, Distrust: distrust}, &res)
		risks |= res.Risk
		switch res.Reject {
		case Accepted:
			hosts[res.Event.Host.String()]++
		case Unrecognised:
		default:
			reasons[res.Reject]++
		}
	}
	return hosts, reasons, risks
}

// Where a stream has shown its hole, nothing of the formats concerned is
// believed any more, forged or genuine.
func TestDistrust(t *testing.T) {
	for _, c := range captures() {
		if c.risks == 0 {
			continue
		}
		p := newParser(t, Options{Rules: c.rules})
		hosts, reasons, _ := readCapture(t, p, c.file, c.risks)
		if len(hosts) != 0 || reasons[Untrusted] == 0 {
			t.Errorf("%s: still accuses %v; %d untrusted", c.file, hosts, reasons[Untrusted])
		}
	}
}

// The 62 kB and 147 kB injections that journald cut: where it marks them the first
// piece says who sent them, no continuation is evidence, and each piece announces
// its continuation.
func TestJournaldCuts(t *testing.T) {
	p := newParser(t, Options{})
	for _, version := range []string{"v0.43.0", "v0.51.0"} {
		for _, ext := range []string{"json", "log"} {
			file := "captures/carriers/journald-252-48K-split-forged-" + version + "." + ext
			var res Result
			var pieces Pieces
			found, continues := 0, false
			for _, line := range readLines(t, file) {
				p.Parse(Line{Text: line}, &res)
				pieces.Settle(&Line{Text: line}, &res)
				first := Cut
				if ext == "json" {
					first = Private
				}
				if res.Reject != Cut && res.Reject != Forged && (continues || res.Reject != first) {
					t.Errorf("%s: %v", file, res.Reject)
				}
				if continues && res.Reject != Cut {
					t.Errorf("%s: a continuation is %v", file, res.Reject)
				}
				if continues = res.Continues; continues {
					found++
				}
			}
			if found == 0 {
				t.Errorf("%s: no piece announced its rest", file)
			}
		}
	}
}

// The nodes that are not Go: who may be accused in a file of
// testdata/nodes/captures its index says.
func TestNodeCaptures(t *testing.T) {
	p := everyRule(t)
	rows := readLines(t, "nodes/captures/INDEX.tsv")
	accusing := 0
	for _, row := range rows[1:] {
		cell := strings.Split(row, "\t")
		file, guilty, victim := cell[0], strings.Fields(cell[3]), cell[4]
		hosts, _, risks := readCapture(t, p, "nodes/captures/"+file, 0)
		for host := range hosts {
			accusing++
			if host == victim && risks == 0 && !strings.Contains(file, "-identify-") {
				t.Errorf("%s: accuses %s, a forgery, and shows no witness of the hole", file, host)
			}
			if host != victim && !slices.Contains(guilty, host) {
				t.Errorf("%s: accuses %s; only %v did wrong", file, host, guilty)
			}
		}
	}
	if accusing < 20 {
		t.Errorf("only %d hosts accused in all files", accusing)
	}
}
