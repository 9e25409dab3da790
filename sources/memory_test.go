package sources

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

const (
	hugeLine = 300 << 20
	// hugeLineCost is what such a line may cost in memory.
	hugeLineCost = 32 << 20
)

// memory is what Go holds of the operating system's memory now.
func memory() uint64 {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// peak returns how far the memory grows while do runs, as seen every
// millisecond.
func peak(do func()) uint64 {
	runtime.GC()
	before := memory()
	top := before
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	for {
		select {
		case <-done:
			return max(top, memory()) - before
		case <-time.After(time.Millisecond):
			top = max(top, memory())
		}
	}
}

// endlessX gives n times x.
func endlessX(n int64) io.Reader { return io.LimitReader(xs{}, n) }

type xs struct{}

var manyX = strings.Repeat("x", 1<<20)

func (xs) Read(p []byte) (int, error) { return copy(p, manyX), nil }

func checkHuge(t *testing.T, lines []Line) {
	t.Helper()
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	if l := lines[0]; !l.Cut || l.Text != strings.Repeat("x", MaxLineBytes) {
		t.Errorf("huge line: cut %v, %d bytes", l.Cut, len(l.Text))
	}
	if l := lines[1]; l.Cut || l.Text != "next" {
		t.Errorf("the next line: %+v", l)
	}
}

func writeHuge(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	must(t, err)
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = io.Copy(w, endlessX(hugeLine))
	must(t, err)
	_, err = w.WriteString("\nnext\n")
	must(t, err)
	must(t, w.Flush())
	must(t, f.Close())
}

func TestHugeLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "")
	f := follow(t, FileOptions{Patterns: []string{path}})
	cost := peak(func() {
		writeHuge(t, path)
		for len(f.lines) < 2 {
			f.next()
		}
	})
	checkHuge(t, f.lines)
	f.lines = nil
	t.Logf("following costs %d KiB", cost>>10)
	if cost > hugeLineCost {
		t.Errorf("following costs %d MiB", cost>>20)
	}
	waitFor(t, "what was discarded is counted", func() bool { return f.src.Stats().Discarded == hugeLine-MaxLineBytes })
	if s := f.src.Stats(); s.Cut != 1 {
		t.Errorf("stats: %+v", s)
	}
	f.stop()

	var lines []Line
	cost = peak(func() {
		for b, err := range ReadFile(path) {
			must(t, err)
			lines = append(lines, b.Lines...)
		}
	})
	checkHuge(t, lines)
	t.Logf("reading costs %d KiB", cost>>10)
	if cost > hugeLineCost {
		t.Errorf("reading costs %d MiB", cost>>20)
	}

	lines = nil
	out := make(chan Batch)
	src := NewReader("standard input", io.MultiReader(endlessX(hugeLine), strings.NewReader("\nnext")))
	var err error
	cost = peak(func() {
		go func() { err = src.Run(context.Background(), out); close(out) }()
		for b := range out {
			lines = append(lines, b.Lines...)
		}
	})
	must(t, err)
	checkHuge(t, lines)
	t.Logf("standard input costs %d KiB", cost>>10)
	if cost > hugeLineCost {
		t.Errorf("standard input costs %d MiB", cost>>20)
	}
}
