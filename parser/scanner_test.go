package parser

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// A Scanner passes over nothing but lines that Parse does not look into, and
// gives all others, in order.
func TestScannerSkipsOnlyWhatParseIgnores(t *testing.T) {
	for name, p := range map[string]*Parser{"default": newParser(t, Options{}), "all": everyRule(t), "table": withTable(everyRule(t))} {
		r := rand.New(rand.NewPCG(3, 4))
		lines := someLines(t)
		for round := range 200 {
			var text []string
			for range r.IntN(300) {
				line := lines[r.IntN(len(lines))]
				switch r.IntN(8) {
				case 0:
					line = strings.Repeat("filler ", r.IntN(2000))
				case 1:
					line = line[:r.IntN(len(line)+1)]
				case 2:
					line = ""
				}
				text = append(text, line)
			}
			checkScan(t, name, p, r.IntN(2) == 0, round, text)
		}
	}
}

func checkScan(t *testing.T, name string, p *Parser, dense bool, round int, text []string) {
	t.Helper()
	var res Result
	s := NewScanner(p)
	s.dense = dense
	n := 0
	for line, skipped := range s.Lines(strings.Join(append(text, ""), "\n")) {
		if skipped == 0 {
			if line != text[n] {
				t.Fatalf("%s, round %d: line %d is given as %q, is %q", name, round, n, line, text[n])
			}
			s.Parse(Line{Text: line}, &res)
			n++
			continue
		}
		if strings.Count(line, "\n") != skipped {
			t.Fatalf("%s, round %d: %d lines skipped in %q", name, round, skipped, line)
		}
		for range skipped {
			p.Parse(Line{Text: text[n]}, &res)
			if res.Reject != Unrecognised || res.Risk != 0 || res.Continues || p.filter.match(text[n]) || len(text[n]) >= alwaysRead {
				t.Fatalf("%s, round %d: %v was skipped: %q", name, round, res.Reject, text[n])
			}
			n++
		}
	}
	if n != len(text) {
		t.Fatalf("%s, round %d: %d lines of %d", name, round, n, len(text))
	}
}

// someLines are the samples' lines.
func someLines(t testing.TB) []string {
	var lines []string
	for _, samples := range loadSamples(t) {
		for _, s := range samples {
			lines = append(lines, s.Line)
		}
	}
	return lines
}
