package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// witness is what go-libp2p v0.43 prints of a peer that answers identify with
// "x\n" and more: the next line is the peer's.
func witness(at time.Time) string {
	return at.UTC().Format("2006-01-02T15:04:05.000Z") + "\tWARN\tnet/identify\tidentify/id.go:463\tfailed to identify 12D3KooWLqb5xNrovwRn51NBQ4zwFUHuAP65GqpWzhwARPUHqNi1: multistream mux select protocol failed: unrecognized response. expected: /ipfs/id/1.0.0 (or na). got: x\n"
}

// TestForgedLineAfterRestart has the daemon end between the witness of a hole and
// the lines that a stranger writes through it, or begin the source anew there.
func TestForgedLineAfterRestart(t *testing.T) {
	for _, tt := range []struct {
		name string
		next func(*testing.T, *lab)
	}{
		{"a restart", func(_ *testing.T, l *lab) { l.stop(); l.start() }},
		{"two restarts, no line between", func(_ *testing.T, l *lab) { l.stop(); l.start(); l.stop(); l.start() }},
		{"a changed source", func(t *testing.T, l *lab) {
			l.configure(strings.Replace(liveConfig, "fromstart = true", "fromstart = false", 1))
			if reply, err := l.client.Reload(t.Context()); err != nil || len(reply.Changes) == 0 {
				t.Fatalf("%+v, %v", reply, err)
			}
		}},
		{"a source that was taken away and brought back", takeAwayAndBack(func(*lab) {})},
		{"the same, with a restart between", takeAwayAndBack(func(l *lab) { l.stop(); l.start() })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, liveConfig)
			if err := os.WriteFile(filepath.Join(l.dir, "node.log"), []byte(witness(time.Now())), 0o600); err != nil {
				t.Fatal(err)
			}
			forgeable := func() bool {
				s, err := l.client.Status(t.Context())
				return err == nil && slices.ContainsFunc(s.Alarms, func(a control.Alarm) bool { return a.Kind == "forgeable" })
			}
			l.start()
			l.wait("the alarm", forgeable)
			tt.next(t, l)
			l.accuse("node.log", hostile, 3)
			l.wait("the forged lines to be refused", func() bool {
				s, err := l.client.Status(t.Context())
				return err == nil && s.Rejected["untrusted"]+s.Events == 3
			})
			if s, err := l.client.Status(t.Context()); err != nil || s.Events != 0 || inKernel(t, hostile.String()) {
				t.Errorf("%d events, %v: a forged line was believed", s.Events, err)
			}
			l.wait("the alarm again", forgeable)
		})
	}
}

// takeAwayAndBack has one reload take the source away and another bring it back.
func takeAwayAndBack(between func(*lab)) func(*testing.T, *lab) {
	return func(t *testing.T, l *lab) {
		reload := func(toml string) {
			l.configure(toml)
			if reply, err := l.client.Reload(t.Context()); err != nil || len(reply.Changes) != 2 {
				t.Fatalf("%+v, %v", reply, err)
			}
		}
		reload(strings.NewReplacer("source.node", "source.other", "node.log", "other.log").Replace(liveConfig))
		between(l)
		reload(liveConfig)
	}
}

// holeSource reads lines of streams at a time that the test sets.
func holeSource(t *testing.T) (s *source, read func(stream, text string, at time.Time)) {
	t.Helper()
	p, err := NewParser(config.Default(), "")
	if err != nil {
		t.Fatal(err)
	}
	s = &source{spec: config.Source{Name: "node"}, parser: p, streams: map[string]*reader{}, holes: holes{}}
	return s, func(stream, text string, at time.Time) {
		t.Helper()
		s.reader(stream).read(sources.Line{Text: strings.TrimSuffix(text, "\n")}, at)
	}
}

// A position is saved with the holes that were seen in the hour before it.
func TestHolesOfAPosition(t *testing.T) {
	now := time.Now()
	s, read := holeSource(t)
	e := &engine{sources: []*source{s}, holes: map[string]holes{"away": {"other.log": parser.RiskDisplay}}}
	read("a.log", witness(now), now)
	read("b.log", "nothing to see", now)
	saved := e.holesToSave()
	if got := fmt.Sprint(saved); got != "map[away:map[other.log:[tracing-display]] node:map[a.log:[identify-console]]]" {
		t.Fatalf("to be saved: %s", got)
	}

	// The next daemon reads on much later.
	s, read = holeSource(t)
	e = &engine{sources: []*source{s}, holes: savedHoles(saved)}
	s.holes = e.holes["node"]
	e.holesToSave()
	later := now.Add(100 * time.Hour)
	read("a.log", statusLine(hostile), later)
	if got := s.streams["a.log"].result.Reject; got != parser.Untrusted {
		t.Errorf("the line at the position is %v", got)
	}
	if got := s.holesNow()["a.log"]; got != parser.RiskIdentify {
		t.Errorf("known at the next position: %v", got.Info())
	}
	read("a.log", "an ordinary line", later.Add(holeMemory+time.Second))
	if got := s.holesNow(); len(got) != 0 {
		t.Errorf("an hour after the last witness %v is still known", got)
	}
}

// What a stream has shown outlives its reader, for as many streams as there is
// room for.
func TestHolesOfForgottenStreams(t *testing.T) {
	now := time.Now()
	s, read := holeSource(t)
	read("first.log", witness(now), now)
	for i := range maxStreams {
		read(fmt.Sprintf("later %d.log", i), "x", now)
	}
	if s.streams["first.log"] != nil {
		t.Fatal("first.log is not forgotten")
	}
	read("first.log", statusLine(hostile), now)
	if got := s.streams["first.log"].result.Reject; got != parser.Untrusted {
		t.Errorf("a line of a stream that was forgotten is %v", got)
	}
	for i := range 2 * maxHoles {
		s.holes.keep(fmt.Sprint(i), parser.RiskIdentify)
	}
	if len(s.holes) != maxHoles {
		t.Errorf("%d holes are kept, want %d", len(s.holes), maxHoles)
	}
}
