package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/journaltest"
	"github.com/p2pban/p2pban/sources"
)

// TestReadingIsRead writes a line at the first moment at which the status says
// that the source is read, or, where nothing can be missed, when it is opened.
func TestReadingIsRead(t *testing.T) {
	for _, c := range []struct {
		kind string
		// open makes a log that is there before the source.
		open func(t *testing.T) (config.Source, io.Writer)
		// opened says that what is written is read once the source is opened.
		opened bool
	}{
		{"file", openFile, false},
		{"journal", openJournald, true},
		{"stdin", openStdin, true},
	} {
		t.Run(c.kind, func(t *testing.T) {
			e, _ := atRest(t)
			spec, log := c.open(t)
			s, err := e.newSource(spec, config.Default())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.open(""); err != nil {
				t.Fatal(err)
			}
			e.sources = []*source{s}
			written := false
			look := func() {
				if state := e.status().Sources[0].State; !written && (c.opened || state == stateReading) {
					fmt.Fprintln(log, "the line")
					written = true
				}
			}
			look()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go s.Run(ctx, e.batches)
			for s.total().Lines == 0 {
				e.batch(nextBatch(t, e, written))
				look()
			}
			if state := e.status().Sources[0].State; s.total().Lines != 1 || state != stateReading {
				t.Errorf("%d lines were read, and the source is %q", s.total().Lines, state)
			}
		})
	}
}

func nextBatch(t *testing.T, e *engine, written bool) sources.Batch {
	t.Helper()
	select {
	case b := <-e.batches:
		return b
	case <-time.After(patience):
		t.Fatalf("no line was read; written: %t; the source is %q", written, e.status().Sources[0].State)
		return sources.Batch{}
	}
}

func openFile(t *testing.T) (config.Source, io.Writer) {
	path := filepath.Join(t.TempDir(), "node.log")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	fmt.Fprintln(f, "a line of before")
	return config.Source{Name: "node", Files: []string{path}}, f
}

func openJournald(t *testing.T) (config.Source, io.Writer) {
	journald := journaltest.Start(t)
	out := journald.Stream("kubo.service", "ipfs")
	fmt.Fprintln(out, "a line of before")
	journald.Wait("kubo.service", 1) // after a sync it may still be unread
	return config.Source{Name: "node", Units: []string{"kubo.service"}, Directory: journald.Directory()}, out
}

func openStdin(t *testing.T) (config.Source, io.Writer) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin := os.Stdin
	os.Stdin = in
	t.Cleanup(func() { os.Stdin = stdin; out.Close(); in.Close() })
	return config.Source{Name: "node", Files: []string{config.Stdin}}, out
}

// TestFirstLook is a source before its first look at a log that is there.
func TestFirstLook(t *testing.T) {
	e, now := atRest(t)
	if err := os.WriteFile(e.sources[0].spec.Files[0], []byte("a line of before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect := func(when string, state string, caughtUp bool, alarms ...string) {
		t.Helper()
		st := e.status().Sources[0]
		if up := e.count().Sources[0].Up; st.State != state || up != (state == stateReading) {
			t.Errorf("%s: the source is %q, and up is %t; want %q", when, st.State, up, state)
		}
		// What there is to read is not known before: the wall clock must wait for it.
		if got := e.sourcesCaughtUp(*now); got != caughtUp {
			t.Errorf("%s: caught up is %t", when, got)
		}
		e.watch(*now)
		var kinds []string
		for _, a := range e.alarms.list() {
			kinds = append(kinds, a.Kind)
		}
		if !slices.Equal(kinds, alarms) {
			t.Errorf("%s: the alarms are %q, want %q", when, kinds, alarms)
		}
	}
	*now = now.Add(readyMax - time.Second)
	expect("at the start", stateStarting, false)
	*now = now.Add(time.Second)
	expect("after long", stateStarting, false, "source")
	for _, a := range e.alarms.list() {
		if !strings.Contains(a.What, "first look at its log is not over after 30s") || a.Fix == "" {
			t.Errorf("the alarm is %+v", a)
		}
	}
	go e.sources[0].Run(t.Context(), e.batches)
	e.batch(nextBatch(t, e, false))
	expect("after its first look", stateReading, true)
}
