package sources

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// follower runs a File and lets a test wait for lines.
type follower struct {
	t      *testing.T
	src    *File
	out    chan Batch
	cancel context.CancelFunc
	done   chan error
	lines  []Line
	cursor string
	// first is the cursor of the batch that says where reading began.
	first  string
	killed bool
}

// patience is how long a test waits for what must come.
const patience = time.Minute

func follow(t *testing.T, o FileOptions) *follower {
	t.Helper()
	src, err := NewFile(o)
	must(t, err)
	return run(t, src)
}

// followChunks is follow with so little in a batch that a few thousand lines make
// many.
func followChunks(t *testing.T, o FileOptions) *follower {
	t.Helper()
	return followWith(t, o, func(f *File) { f.chunk = 8 << 10 })
}

func run(t *testing.T, src *File) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{t: t, src: src, out: make(chan Batch), cancel: cancel, done: make(chan error, 1)}
	go func() { f.done <- src.Run(ctx, f.out) }()
	t.Cleanup(f.stop)
	f.first = f.next().Cursor
	return f
}

// next takes one batch.
func (f *follower) next() Batch {
	f.t.Helper()
	select {
	case b := <-f.out:
		f.lines = append(f.lines, taken(b)...)
		f.cursor = b.Cursor
		return b
	case err := <-f.done:
		f.t.Fatalf("Run ended: %v", err)
	case <-time.After(patience):
		f.t.Fatalf("no batch in %v; so far %d lines; %+v", patience, len(f.lines), f.src.Stats())
	}
	return Batch{}
}

// taken gives the lines of a batch, and the batch back.
func taken(b Batch) []Line {
	lines := Block{Lines: b.Lines, Text: strings.Clone(b.Text)}.all()
	b.Release()
	return lines
}

// want waits for exactly these lines, after those that were wanted before.
func (f *follower) want(texts ...string) {
	f.t.Helper()
	for len(f.lines) < len(texts) {
		f.next()
	}
	var got []string
	for _, l := range f.lines {
		got = append(got, l.Text)
	}
	if !slices.Equal(got, texts) {
		f.t.Fatalf("got %s\nwant %s", brief(got), brief(texts))
	}
	f.lines = nil
}

func brief(texts []string) string {
	if len(texts) > 12 {
		return fmt.Sprintf("%q … %q (%d)", texts[:6], texts[len(texts)-6:], len(texts))
	}
	return fmt.Sprintf("%q", texts)
}

// kill ends Run whatever it had still to give.
func (f *follower) kill() {
	f.t.Helper()
	f.killed = true
	f.stop()
}

// stop ends Run and checks that it gave nothing more.
func (f *follower) stop() {
	f.t.Helper()
	f.cancel()
	for {
		select {
		case b := <-f.out:
			if lines := taken(b); len(lines) > 0 && !f.killed {
				f.t.Errorf("%d more lines than wanted: %q", len(lines), lines[0].Text)
			}
			continue
		case err := <-f.done:
			if err != nil && err != context.Canceled {
				f.t.Errorf("Run: %v", err)
			}
			f.done <- nil // stop may be called again
		case <-time.After(patience):
			f.t.Error("Run did not end with its context")
		}
		return
	}
}

// waitFor polls until ok.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

func appendTo(t *testing.T, path string, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func gz(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err = z.Write(text)
	must(t, err)
	must(t, z.Close())
	must(t, os.WriteFile(path+".gz", b.Bytes(), 0o644))
	must(t, os.Remove(path))
}

func numbered(from, to int) (text string, lines []string) {
	var b strings.Builder
	for i := from; i < to; i++ {
		line := fmt.Sprintf("line %06d", i)
		lines = append(lines, line)
		b.WriteString(line + "\n")
	}
	return b.String(), lines
}
