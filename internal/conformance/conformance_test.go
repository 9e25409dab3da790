package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/p2pban/p2pban/parser"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What go-libp2p v0.51 really wrote conforms, and accuses whom the parser
// accuses: the whole attacks, the relayed, the outbound, and 17 of 20 direct
// calls of its API. The other three misuse it (an odd number of arguments, no
// arguments, keys with spaces), which no call site of go-libp2p does.
func TestGoLibp2p(t *testing.T) {
	p := builtinParser(t)
	for name, failed := range map[string]int64{
		"nocolor": 0, "color": 0, "json": 0, "nocolor-outbound": 0, "nocolor-outbound-quic": 0, "nocolor-relay-tcp": 0,
		"nocolor-direct": 3, "trimpath-direct": 3, "noaddsource-direct": 3,
		// Debug lines of another logger, with a record's name inside err.
		"nocolor-prehandshake-upgrader-debug": 0,
	} {
		report := NewReport()
		for line := range strings.Lines(readFile(t, "../../testdata/captures/go-libp2p/v0.51.0-"+name+".log")) {
			line = strings.TrimSuffix(line, "\n")
			v := Check(line)
			report.Add(&v)
			agree(t, p, line, &v)
		}
		if report.Failed != failed || (report.Records == 0) != strings.Contains(name, "debug") {
			t.Errorf("%s: %d of %d records failed, want %d", name, report.Failed, report.Records, failed)
		}
	}
}

// conforms tells whether the line holds a record that breaks no clause.
func conforms(v *Verdict) bool {
	return v.Record != "" && v.Clause == ""
}

// agree holds the parser and Check against each other: what conforms they read
// alike, and where both accuse they accuse the same host.
func agree(t *testing.T, p *parser.Parser, line string, v *Verdict) {
	t.Helper()
	var res parser.Result
	p.Parse(parser.Line{Text: line}, &res)
	switch {
	case conforms(v) && v.Host.IsValid():
		if res.Reject != parser.Accepted || res.Event.Host != v.Host {
			t.Errorf("conforms and accuses %v; the parser says %v (%s), %v\n%q", v.Host, res.Reject, res.Detail, res.Event.Host, line)
		}
	case conforms(v) && res.Reject == parser.Accepted:
		t.Errorf("conforms and accuses nobody (%s); the parser accuses %v\n%q", v.Nobody, res.Event.Host, line)
	}
}

// TestMutations changes conforming lines at random: whatever still conforms,
// the parser must read alike.
func TestMutations(t *testing.T) {
	p := builtinParser(t)
	var lines []string
	for _, v := range readVectors(t, "accept.toml") {
		if _, skip := notRead[v.Name]; !skip {
			lines = append(lines, v.Line)
		}
	}
	pieces := []string{" ", "  ", "=", `"`, `\`, `\n`, "\n", "x", "0", "addr=/ip4/192.0.2.254/tcp/1 ", " dir=outbound", "/p2p-circuit", "é", "\xff", "msg=", "err=", "100", ":", "/"}
	rng := rand.New(rand.NewPCG(1, 2))
	conforming := 0
	for range 40_000 {
		line := lines[rng.IntN(len(lines))]
		for range 1 + rng.IntN(2) {
			i := rng.IntN(len(line) + 1)
			j := min(len(line), i+rng.IntN(4))
			switch rng.IntN(3) {
			case 0:
				line = line[:i] + line[j:]
			case 1:
				line = line[:i] + pieces[rng.IntN(len(pieces))] + line[j:]
			case 2:
				k := rng.IntN(len(line) + 1)
				line = line[:i] + line[min(i, k):max(i, k)] + line[i:]
			}
		}
		v := Check(line)
		if conforms(&v) {
			conforming++
		}
		agree(t, p, line, &v)
	}
	if conforming < 2000 {
		t.Errorf("only %d of the lines still conformed", conforming)
	}
}

// TestHostile writes every hostile text as Go's encoders do: each record
// conforms and accuses the true host, and nothing else in the output is a
// record. Written without escaping, the same texts are caught.
func TestHostile(t *testing.T) {
	var texts []string
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(vectorDir, "hostile.json"))), &texts); err != nil {
		t.Fatal(err)
	}
	if len(texts) < 20 {
		t.Fatalf("only %d texts", len(texts))
	}
	const trueHost = "198.51.100.7"
	args := func(text string) []any {
		return []any{"peer", "", "addr", "/ip4/" + trueHost + "/tcp/1", "sample_rate", 1, "handshake_failure", "tls", "err", text}
	}
	caught := 0
	for _, text := range texts {
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{AddSource: true})).Info(status, args(text)...)
		slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{AddSource: true})).Info(status, args(text)...)
		if n := strings.Count(b.String(), "\n"); n != 2 {
			t.Errorf("%q: %d lines", text, n)
		}
		for line := range strings.Lines(b.String()) {
			if v := Check(strings.TrimSuffix(line, "\n")); !conforms(&v) || v.Host.String() != trueHost {
				t.Errorf("%q: [%s] %s, host %v", text, v.Clause, v.Detail, v.Host)
			}
		}
		raw := fmt.Sprintf("time=2026-11-20T11:17:19Z level=INFO source=x.go:1 msg=%s peer=\"\" addr=/ip4/%s/tcp/1 sample_rate=1 handshake_failure=tls err=%s", status, trueHost, text)
		for line := range strings.SplitSeq(raw, "\n") {
			if v := Check(line); v.Record != "" && v.Clause != "" {
				caught++
				break
			}
		}
	}
	// A lone backslash needs no quotes.
	if caught != len(texts)-1 {
		t.Errorf("of %d texts written raw %d were caught", len(texts), caught)
	}
}

func TestReport(t *testing.T) {
	report := NewReport()
	for _, file := range []string{"accept.toml", "reject.toml"} {
		for _, vec := range readVectors(t, file) {
			v := Check(vec.Line)
			report.Add(&v)
		}
	}
	v := Check(`time=2026-11-20T11:17:19Z level=INFO msg="an ordinary line"`)
	report.Add(&v)
	accept, reject := len(readVectors(t, "accept.toml")), len(readVectors(t, "reject.toml"))
	if report.Lines != int64(accept+reject+1) || report.Records != int64(accept+reject) || report.Failed != int64(reject) {
		t.Errorf("%d lines, %d records, %d failed", report.Lines, report.Records, report.Failed)
	}
	for _, c := range Clauses() {
		if report.Exercised[c] == 0 && c != Length || report.Violated[c] == 0 {
			t.Errorf("[%s] exercised %d times, violated %d times", c, report.Exercised[c], report.Violated[c])
		}
	}
	if m := report.Missing(); len(m) != 1 || m[0].Clause != Length {
		t.Errorf("not shown: %v", m)
	}
	cut := Check(`time=2026-11-20T11:17:19Z level=INFO source=x.go:1 msg=CANONICAL_PEER_STATUS peer="" addr=/ip4/198.51.100.7/tcp/1 sample_rate=1 handshake_failure=tls err=` + strings.Repeat("x", MaxErr))
	report.Add(&cut)
	if m := report.Missing(); len(m) != 0 {
		t.Errorf("not shown: %v", m)
	}
}

// TestSpecification holds docs/canonical-log.md against the code: it defines the
// same clauses in the same order, states the same bounds, and its examples are
// what it says they are.
func TestSpecification(t *testing.T) {
	doc := readFile(t, "../../docs/canonical-log.md")
	var defined []Clause
	for _, m := range regexp.MustCompile(`(?m)^\*\*\[([a-z-]+)\]\*\*`).FindAllStringSubmatch(doc, -1) {
		defined = append(defined, Clause(m[1]))
	}
	if !slices.Equal(defined, Clauses()) {
		t.Errorf("the document defines %v, the code %v", defined, Clauses())
	}
	for what, n := range map[string]int{
		"line": MaxLine, "err": MaxErr, "addr": MaxAddr, "peer": MaxPeer, "source": MaxSource, "any other value": MaxValue, "a key": MaxKey, "sample_rate": MaxSampleRate,
	} {
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^\| %s \| %d \|`, what, n)).MatchString(doc) {
			t.Errorf("the document's table does not say that %s is bound by %d", what, n)
		}
	}
	if !strings.Contains(doc, Victim) {
		t.Errorf("the document does not name %s", Victim)
	}
	good, bad := 0, 0
	for _, block := range regexp.MustCompile("(?s)```text (conforms|violates)\n(.*?)```").FindAllStringSubmatch(doc, -1) {
		for line := range strings.Lines(block[2]) {
			v := Check(strings.TrimSuffix(line, "\n"))
			if block[1] == "conforms" {
				good++
			} else {
				bad++
			}
			if conforms(&v) != (block[1] == "conforms") {
				t.Errorf("the document says that this %s: [%s] %s\n%s", block[1], v.Clause, v.Detail, line)
			}
		}
	}
	if good < 4 || bad < 2 {
		t.Errorf("%d examples that conform, %d that do not", good, bad)
	}
}
