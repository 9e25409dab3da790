package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// TestQuickReadsAlike reads every capture of go-libp2p twice, whole and with
// what Quick knows: the events, the tallies and all that is counted of the node
// are the same.
func TestQuickReadsAlike(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(captures, "*.log"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	hits := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		whole, quick := newStream(t), newStream(t)
		now := time.Now()
		for _, s := range []*stream{whole, quick} {
			s.pieces.Lost() // as every file does
			s.now = now
		}
		quick.scanner = parser.NewScanner(quick.parser)
		for line := range strings.Lines(strings.Repeat(string(text), 2)) {
			l := sources.Line{Text: strings.TrimSuffix(line, "\n")}
			want, _ := whole.read(l, whole.now)
			whole.flow.note(&l, &whole.result, whole.now)
			var ev parser.Event
			got := &ev
			if accepted, _ := quick.quick(l.Text, quick.now, &ev); accepted {
				hits++
				quick.flow.noteQuick(&l, &ev, quick.scanner.Status(), quick.now)
			} else {
				got, _ = quick.read(l, quick.now)
				quick.flow.note(&l, &quick.result, quick.now)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b parser.Event) bool { return a == b })); diff != "" {
				t.Fatalf("%s: %s (-whole +quick):\n%s", file, line, diff)
			}
		}
		if whole.tally != quick.tally || whole.last != quick.last || whole.risks != quick.risks {
			t.Errorf("%s: whole %+v, quick %+v", file, whole.tally, quick.tally)
		}
		if whole.flow.node != quick.flow.node || whole.flow.delay != quick.flow.delay || whole.flow.unknown != quick.flow.unknown {
			t.Errorf("%s: of the node, whole %+v, quick %+v", file, whole.flow.node, quick.flow.node)
		}
		if diff := cmp.Diff(whole.flow.rules, quick.flow.rules, cmp.AllowUnexported(ruleCount{})); diff != "" {
			t.Errorf("%s (-whole +quick):\n%s", file, diff)
		}
	}
	if hits < 1000 {
		t.Errorf("only %d lines were read quickly", hits)
	}
}

// TestQuickKeepsToTheRules: what quick must leave to read.
func TestQuickKeepsToTheRules(t *testing.T) {
	s := newStream(t)
	s.scanner = parser.NewScanner(s.parser)
	var ev parser.Event
	line := canonical(established)
	for range 2 {
		s.read(sources.Line{Text: line}, s.now)
	}
	quick := func(now time.Time) bool {
		accepted, _ := s.quick(line, now, &ev)
		return accepted
	}
	if !quick(s.now) || !ev.Time.Equal(s.now) {
		t.Fatalf("a known line was left: %+v", ev)
	}
	if early := s.now.Add(-time.Hour); !quick(early) || !ev.Time.Equal(early) {
		t.Errorf("a time an hour ahead was read as %v, want now", ev.Time)
	}
	s.risks = parser.RiskHandshakeContents
	if quick(s.now) {
		t.Error("a line was believed where it can be forged")
	}
	s.trust = true
	if !quick(s.now) {
		t.Error("a trusted source was not read quickly")
	}
}
