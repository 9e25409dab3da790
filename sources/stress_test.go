package sources

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nxadm/tail"
)

// The stress of a log that is rotated 20 times in about 5 seconds while numbered
// lines are written to it, some of them in two halves.
const (
	stressRotations  = 20
	stressLines      = 1000 // between two rotations
	stressPause      = 250 * time.Millisecond
	stressLinger     = 50 * time.Millisecond
	stressWriteEvery = 10 // lines in one go
	stressSplitEvery = 7  // one line in so many is written in two halves
)

// stressWriter writes numbered lines to what path leads to when it opens it.
type stressWriter struct {
	t    *testing.T
	path string
	f    *os.File
	n    int
	rand *rand.Rand
}

func (w *stressWriter) open() {
	f, err := os.OpenFile(w.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	must(w.t, err)
	if w.f != nil {
		must(w.t, w.f.Close())
	}
	w.f = f
}

// lines writes count lines over the given time.
func (w *stressWriter) lines(count int, over time.Duration) {
	for range count / stressWriteEvery {
		for range stressWriteEvery {
			line := fmt.Sprintf("line %08d %s\n", w.n, strings.Repeat("x", w.rand.IntN(200)))
			w.n++
			if w.n%stressSplitEvery != 0 {
				_, err := w.f.WriteString(line)
				must(w.t, err)
				continue
			}
			half := w.rand.IntN(len(line))
			_, err := w.f.WriteString(line[:half])
			must(w.t, err)
			_, err = w.f.WriteString(line[half:])
			must(w.t, err)
		}
		time.Sleep(over / time.Duration(count/stressWriteEvery)) // the load, no synchronisation
	}
}

// shift renames path.N to path.N+1.
func shift(t *testing.T, path string, rotation int) {
	for k := rotation; k > 0; k-- {
		err := os.Rename(fmt.Sprintf("%s.%d", path, k), fmt.Sprintf("%s.%d", path, k+1))
		if !errors.Is(err, os.ErrNotExist) {
			must(t, err)
		}
	}
}

// stressModes are the ways to rotate. Each is called between two loads.
var stressModes = []struct {
	name string
	// lossless says that no reader has an excuse.
	lossless bool
	rotate   func(w *stressWriter, rotation int)
}{
	{"rename", true, func(w *stressWriter, rotation int) {
		shift(w.t, w.path, rotation)
		must(w.t, os.Rename(w.path, w.path+".1"))
		w.open()
	}},
	{"rename, lingering writer", true, func(w *stressWriter, rotation int) {
		shift(w.t, w.path, rotation)
		must(w.t, os.Rename(w.path, w.path+".1"))
		must(w.t, os.WriteFile(w.path, nil, 0o644)) // logrotate's "create"
		w.lines(stressLines/5, stressLinger)
		w.open()
	}},
	{"delete", true, func(w *stressWriter, rotation int) {
		must(w.t, os.Remove(w.path))
		w.open()
	}},
	{"copytruncate", false, func(w *stressWriter, rotation int) {
		shift(w.t, w.path, rotation)
		// The writer does not stop for it.
		done := make(chan struct{})
		go func() { defer close(done); w.lines(stressLines/5, stressLinger) }()
		in, err := os.Open(w.path)
		must(w.t, err)
		out, err := os.Create(w.path + ".1")
		must(w.t, err)
		_, err = io.Copy(out, in)
		must(w.t, err)
		must(w.t, in.Close())
		must(w.t, out.Close())
		must(w.t, os.Truncate(w.path, 0))
		<-done
	}},
}

// tally counts numbered lines.
type tally struct {
	mu        sync.Mutex
	seen      map[int]int
	malformed int
}

func (c *tally) add(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n int
	var rest string
	if got, _ := fmt.Sscanf(text, "line %d %s", &n, &rest); got < 1 || strings.Trim(rest, "x") != "" {
		c.malformed++
		return
	}
	c.seen[n]++
}

// result returns how many of the lines 0 to n-1 were never seen, how many more
// than once.
func (c *tally) result(n int) (lost, twice, malformed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range n {
		switch seen := c.seen[i]; {
		case seen == 0:
			lost++
		case seen > 1:
			twice++
		}
	}
	return lost, twice, c.malformed
}

// stressReader reads path into a tally until the context ends.
type stressReader struct {
	name string
	run  func(ctx context.Context, t *testing.T, path string, c *tally)
}

func TestStressRotation(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 6 seconds")
	}
	t.Parallel()
	for _, mode := range stressModes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			if mode.lossless {
				if lost, twice, malformed, _ := stress(t, mode.rotate); lost+twice+malformed > 0 {
					t.Errorf("lost %d, twice %d, malformed %d", lost, twice, malformed)
				}
				return
			}
			// What is written between the copy's end and the truncation is lost
			// to whoever does not read it in those microseconds. That may hit
			// one reader and miss another, but not time after time.
			for range 3 {
				lost, twice, _, best := stress(t, mode.rotate)
				if twice == 0 && lost <= best {
					return
				}
			}
			t.Error("worse than the best of the others, three times")
		})
	}
}

// stress rotates a log under all readers. It returns what ours lost, read twice
// and read malformed, and how many the best of the others lost.
func stress(t *testing.T, rotate func(*stressWriter, int)) (lost, twice, malformed, best int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "n.log")
	w := &stressWriter{t: t, path: path, rand: rand.New(rand.NewPCG(1, 2))}
	w.open()
	tallies := startReaders(t, path)
	for i := range stressRotations {
		w.lines(stressLines, stressPause)
		rotate(w, i)
	}
	w.lines(stressLines, stressPause)
	lost, twice, malformed = settled(tallies["ours"], w.n)
	t.Logf("%-12s %d lines: lost %d, twice %d, malformed %d", "ours", w.n, lost, twice, malformed)
	best = w.n
	for _, name := range []string{"nxadm/tail", "20 ms"} {
		lost, twice, malformed := tallies[name].result(w.n)
		t.Logf("%-12s %d lines: lost %d, twice %d, malformed %d", name, w.n, lost, twice, malformed)
		best = min(best, lost)
	}
	return lost, twice, malformed, best
}

// settled waits until all lines were seen, or nothing has come for a while.
func settled(c *tally, n int) (lost, twice, malformed int) {
	before := -1
	for {
		lost, twice, malformed = c.result(n)
		if lost == 0 || lost == before {
			return lost, twice, malformed
		}
		before = lost
		time.Sleep(2 * time.Second) // what has not come by then is lost
	}
}

func startReaders(t *testing.T, path string) map[string]*tally {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	tallies := map[string]*tally{}
	for _, r := range []stressReader{{"ours", readOurs}, {"nxadm/tail", readNxadm}, {"20 ms", readPolling}} {
		c := &tally{seen: map[int]int{}}
		tallies[r.name] = c
		running.Go(func() { r.run(ctx, t, path, c) })
	}
	return tallies
}

func readOurs(ctx context.Context, t *testing.T, path string, c *tally) {
	src, err := NewFile(FileOptions{Patterns: []string{path}, FromStart: true})
	if err != nil {
		t.Error(err)
		return
	}
	out := make(chan Batch)
	var reading sync.WaitGroup
	reading.Go(func() {
		if err := src.Run(ctx, out); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(out)
	})
	for b := range out {
		for _, l := range taken(b) {
			c.add(l.Text)
		}
	}
	reading.Wait()
}

// readNxadm is nxadm/tail at its best: inotify, whole lines.
func readNxadm(ctx context.Context, t *testing.T, path string, c *tally) {
	f, err := tail.TailFile(path, tail.Config{Follow: true, ReOpen: true, CompleteLines: true, Logger: tail.DiscardingLogger})
	if err != nil {
		t.Error(err)
		return
	}
	for {
		select {
		case l, ok := <-f.Lines:
			if !ok {
				return
			}
			c.add(l.Text)
		case <-ctx.Done():
			if err := f.Stop(); err != nil {
				t.Log(err)
			}
			return
		}
	}
}

// readPolling looks every 20 ms whether the file has grown, shrunk or become
// another, as simple readers do.
func readPolling(ctx context.Context, t *testing.T, path string, c *tally) {
	var f *os.File
	var r *bufio.Reader
	var begun string
	var at int64
	inode := func(info os.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }
	drain := func() {
		for r != nil {
			part, err := r.ReadString('\n')
			at += int64(len(part))
			begun += part
			if err != nil {
				return
			}
			c.add(strings.TrimSuffix(begun, "\n"))
			begun = ""
		}
	}
	for ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
		drain()
		now, err := os.Stat(path)
		if err != nil {
			continue
		}
		var was os.FileInfo
		if f != nil {
			if was, err = f.Stat(); err != nil {
				t.Error(err)
				return
			}
		}
		if was != nil && inode(was) == inode(now) && now.Size() >= at {
			continue
		}
		drain()
		if f != nil {
			f.Close()
		}
		if f, err = os.Open(path); err != nil {
			f, r = nil, nil
			continue
		}
		r, begun, at = bufio.NewReader(f), "", 0
	}
	if f != nil {
		f.Close()
	}
}
