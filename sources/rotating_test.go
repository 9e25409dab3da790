package sources

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// looking is a source whose looks at the names the test calls itself.
func looking(t *testing.T, o FileOptions) *lookout {
	t.Helper()
	f, err := NewFile(o)
	must(t, err)
	l := newLookout(f)
	t.Cleanup(func() { l.close(); f.closeAll() })
	return l
}

// firstRead is a log of which the one line it holds, "first", was read.
func firstRead(t *testing.T) (path string, l *lookout, r turning) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "first\n")
	l = looking(t, FileOptions{Patterns: []string{path}, FromStart: true})
	l.scan()
	r = l.reader()
	r.wants(t, "first")
	return path, l, r
}

// turning is a reader whose turns the test calls itself.
type turning struct {
	*fileReader
	given chan Batch // has room for what one turn gives of a short file
}

func (l *lookout) reader() turning {
	r := turning{given: make(chan Batch, maxUnreleased)}
	r.fileReader = &fileReader{f: l.f, l: l, out: r.given, free: make(chan []byte, maxUnreleased), split: map[string]*pieces{}}
	for range maxUnreleased {
		r.free <- nil
	}
	return r
}

// wants reads all there is and checks the lines.
func (r turning) wants(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	r.l.allDirty()
	for progress := true; progress; {
		progress = false
		for _, c := range r.f.current() {
			more, err := r.turn(t.Context(), c)
			must(t, err)
			progress = progress || more
		}
		for len(r.given) > 0 {
			for _, line := range taken(<-r.given) {
				got = append(got, line.Text)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
}

// holds checks the first lines of the files that are open, old to new.
func (l *lookout) holds(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, c := range l.f.current() {
		for _, g := range c.gens {
			buf := make([]byte, firstBytes)
			n, err := 0, error(nil)
			if g.archive != nil {
				n, err = g.archive.Read(buf)
			} else {
				n, err = pread(g.fd, buf, 0)
			}
			must(t, err)
			line, _, _ := strings.Cut(string(buf[:n]), "\n")
			got = append(got, line)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("open are the files that begin with %q, want %q", got, want)
	}
}

// rotate is what logrotate does to a log and turned files of its past.
func rotate(t *testing.T, path string, turned int) {
	t.Helper()
	for i := turned; i > 0; i-- {
		must(t, os.Rename(fmt.Sprintf("%s.%d", path, i), fmt.Sprintf("%s.%d", path, i+1)))
	}
	must(t, os.Rename(path, path+".1"))
}

// The log is rotated after resume has looked at its files, and before the first
// scan: the file between, which was present then, is not passed over.
func TestRotatedBetweenResumeAndScan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "first\n")
	cursor := readSome(t, path, 1)
	rotate(t, path, 0)
	appendTo(t, path, "second\n")
	l := looking(t, FileOptions{Patterns: []string{path}, Cursor: cursor})
	l.resume()
	rotate(t, path, 1)
	appendTo(t, path, "third\n")
	l.scan()
	l.holds(t, "first", "second", "third")
}

// Between two looks the log was rotated twice, and what was open is compressed.
func TestRotatedTwiceAndCompressed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path+".1", "older\n")
	appendTo(t, path, "first\n")
	l := looking(t, FileOptions{Patterns: []string{path}, FromStart: true})
	l.scan()
	rotate(t, path, 1)
	appendTo(t, path, "second\n")
	gz(t, path+".1")
	must(t, os.Rename(path+".1.gz", path+".2.gz"))
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, "third\n")
	l.scan()
	l.holds(t, "first", "second", "third")
	if p := l.f.Stats().Losses; len(p) > 0 {
		t.Errorf("nothing was lost, told is %q", p)
	}
}

// What is kept of rotated files is less than what was missed: it is told that
// lines may be lost.
func TestRotatedOutOfReach(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path+".1", "older\n")
	appendTo(t, path, "first\n")
	l := looking(t, FileOptions{Patterns: []string{path}, FromStart: true})
	l.scan()
	for _, line := range []string{"second\n", "third\n", "fourth\n"} {
		must(t, os.Rename(path, path+".1")) // logrotate's "rotate 1"
		appendTo(t, path, line)
	}
	l.scan()
	l.holds(t, "first", "third", "fourth")
	if p := l.f.Stats().Losses; len(p) != 1 || !strings.Contains(p[0], "before they could be read may be gone") {
		t.Errorf("losses: %q", p)
	}
}

// The same while nobody looks: only the position says what was there.
func TestResumeOutOfReach(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		told  bool
	}{
		{"one file is kept and was not read", []string{"third\n"}, false},
		{"one that was not read is gone", []string{"third\n", "fourth\n"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "n.log")
			appendTo(t, path+".1", "first\n")
			appendTo(t, path, "second\n")
			f := follow(t, FileOptions{Patterns: []string{path}, FromStart: true})
			f.kill() // nothing of it was taken
			for _, line := range tt.lines {
				must(t, os.Rename(path, path+".1"))
				appendTo(t, path, line)
			}
			l := looking(t, FileOptions{Patterns: []string{path}, Cursor: f.first})
			l.resume()
			if p := l.f.Stats().Losses; (len(p) > 0) != tt.told {
				t.Errorf("losses: %q", p)
			}
		})
	}
}

// Logs that all begin with the same line are no copies of each other, compressed
// or not.
func TestRotatedLogsBeginAlike(t *testing.T) {
	for _, packed := range []bool{false, true} {
		t.Run(fmt.Sprintf("packed %v", packed), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "n.log")
			appendTo(t, path, "Initializing daemon...\none\n")
			cursor := readSome(t, path, 2)
			rotate(t, path, 0)
			appendTo(t, path, "Initializing daemon...\ntwo\n")
			rotate(t, path, 1)
			if packed {
				gz(t, path+".1")
			}
			appendTo(t, path, "Initializing daemon...\nthree\n")
			resume(t, path, cursor).want("Initializing daemon...", "two", "Initializing daemon...", "three")
		})
	}
}

// Names that change while files are opened make it begin anew.
func TestSteadily(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "first\n")
	var tries []*generation
	o := steadily(path, func(s shelf) (o opened) {
		if len(tries) < 3 {
			rotate(t, path, len(tries))
			appendTo(t, path, "more\n")
		}
		g, err := openGeneration(path)
		must(t, err)
		tries = append(tries, g)
		return opened{gens: []*generation{g}}
	})
	if len(tries) != 4 || len(o.gens) != 1 || o.gens[0] != tries[3] || len(o.lost) > 0 {
		t.Fatalf("%d tries, %+v", len(tries), o)
	}
	tries[3].close()
	always := 0
	o = steadily(path, func(shelf) (o opened) {
		appendTo(t, fmt.Sprintf("%s.%d", path, 100+always), "x\n")
		always++
		return o
	})
	if always != steadyTries || len(o.lost) != 1 {
		t.Errorf("%d tries, told %q", always, o.lost)
	}
}

// A log is emptied and deleted at once: whoever looks for its successors while its
// reader finds it empty must not take the copy of what was read for one of them.
func TestCopyIsNoSuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	text, _ := numbered(0, 50)
	appendTo(t, path, text)
	src, err := NewFile(FileOptions{Patterns: []string{path}})
	must(t, err)
	last, err := openGeneration(path)
	must(t, err)
	copyTruncate(t, path)
	must(t, os.Remove(path))
	appendTo(t, path, "new\n")
	present, err := openGeneration(path)
	must(t, err)
	defer last.close()
	defer present.close()
	l := newLookout(src)
	defer l.close()
	all := readShelf(path).rotated
	newest := newestMark(all)
	s := &scan{l: l}
	for range 2000 {
		was := markOf(last.id.ino, []byte(text))
		last.holds.Store(&was)
		last.after.Store(&mark{})
		src.chains = []*chain{{path: path, gens: []*generation{last}}}
		emptied := make(chan struct{})
		go func() {
			last.restart(newest)
			close(emptied)
		}()
		o := s.between(path, all, last, present)
		<-emptied
		if len(o.gens) > 0 {
			t.Fatal("what was read would be read again from its copy")
		}
	}
}

// A log is emptied after it was copied, written to and rotated away, all before its
// reader comes to it: its mark says that nothing was older than what it held, which
// is in the copy now, so the copy is no successor of it.
func TestCopyIsOlderThanItsLog(t *testing.T) {
	for _, packed := range []bool{false, true} {
		t.Run(fmt.Sprintf("packed %v", packed), func(t *testing.T) {
			path, l, r := firstRead(t)
			copyTruncate(t, path)
			if packed {
				gz(t, path+".1")
				must(t, os.Rename(path+".1.gz", path+".2.gz"))
			} else {
				must(t, os.Rename(path+".1", path+".2"))
			}
			appendTo(t, path, "second\n")
			rotate(t, path, 0)
			appendTo(t, path, "third\n")
			l.scan()
			r.wants(t, "second", "third")
		})
	}
}

// A rotated file is written over with a copy of the log, as a script of one's own
// does that knows only one name for copies: what was read of the log does not count
// twice, whether the reader comes before the log is emptied or after.
func TestRotatedFileWrittenOver(t *testing.T) {
	for _, before := range []bool{false, true} {
		t.Run(fmt.Sprintf("read before the log is emptied %v", before), func(t *testing.T) {
			path, l, r := firstRead(t)
			rotate(t, path, 0)
			appendTo(t, path, "second\n")
			l.scan()
			r.wants(t, "second")
			if before {
				must(t, os.WriteFile(path+".1", []byte("second\n"), 0o644))
				r.wants(t)
			}
			copyTruncate(t, path)
			r.wants(t)
			appendTo(t, path, "third\n")
			r.wants(t, "third")
			l.holds(t, "third")
		})
	}
}

// A program that never opens its log anew goes on with the rotated file, also when
// somebody empties that to make room: the new log stays empty.
func TestRotatedFileEmptiedUnderItsWriter(t *testing.T) {
	path, l, r := firstRead(t)
	rotate(t, path, 0)
	appendTo(t, path, "")
	l.scan()
	must(t, os.Truncate(path+".1", 0))
	appendTo(t, path+".1", "second\n")
	r.wants(t, "second")
}

// The same, and the reader ends when it has begun the log anew and not read of it:
// the log is no predecessor of itself, it is still to be read.
func TestResumeBeforeWhatWasEmptied(t *testing.T) {
	for _, packed := range []bool{false, true} {
		t.Run(fmt.Sprintf("packed %v", packed), func(t *testing.T) {
			path, l, r := firstRead(t)
			copyTruncate(t, path)
			appendTo(t, path, "second\n")
			rotate(t, path, 1)
			if packed {
				gz(t, path+".1")
			}
			appendTo(t, path, "")
			l.scan()
			l.allDirty()
			_, err := r.turn(t.Context(), l.f.current()[0])
			must(t, err)
			if s := l.f.Stats(); s.Truncations != 1 || s.Lines != 1 {
				t.Fatalf("the log is not begun anew, or read already: %+v", s)
			}
			again := looking(t, FileOptions{Patterns: []string{path}, Cursor: l.f.encodeCursor(nil)})
			again.resume()
			again.scan()
			again.reader().wants(t, "second")
		})
	}
}

// A log is emptied after it was copied, written to and deleted, and its successor
// renamed, before its reader comes to it: the successor is not older.
func TestResumeEmptiedAndDeleted(t *testing.T) {
	for _, packed := range []bool{false, true} {
		t.Run(fmt.Sprintf("packed %v", packed), func(t *testing.T) {
			path, l, r := firstRead(t)
			copyTruncate(t, path)
			appendTo(t, path, "second\n")
			must(t, os.Remove(path))
			appendTo(t, path, "third\n")
			l.scan()
			rotate(t, path, 1)
			if packed {
				gz(t, path+".1")
			}
			appendTo(t, path, "fourth\n")
			l.scan()
			r.wants(t, "second", "third", "fourth")
			cursor := l.f.encodeCursor(nil)
			for _, line := range []string{"fifth\n", "sixth\n"} {
				appendTo(t, path, line)
				(&life{t: t, path: path}).shift()
				copyTruncate(t, path)
			}
			again := looking(t, FileOptions{Patterns: []string{path}, Cursor: cursor})
			again.resume()
			again.scan()
			again.reader().wants(t, "fifth", "sixth")
		})
	}
}

// A file of which nothing was read has the inode of an empty one that was deleted: it
// does not come after what that came after.
func TestResumeWithInodeOfAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path+".1", "older\n")
	appendTo(t, path, "first\n")
	cursor, err := parseFileCursor(readSome(t, path, 1))
	must(t, err)
	rotate(t, path, 1)
	appendTo(t, path, "second\n")
	rotate(t, path, 2)
	appendTo(t, path, "third\n")
	info, err := os.Stat(path + ".1")
	must(t, err)
	id := idOf(info)
	empty := fileEntry{Path: path, Dev: id.dev, Ino: id.ino, Empty: true, After: &mark{}}
	cursor.Files = slices.Insert(cursor.Files, 0, empty)
	text, err := json.Marshal(cursor)
	must(t, err)
	l := looking(t, FileOptions{Patterns: []string{path}, Cursor: string(text)})
	l.resume()
	l.scan() // and nothing is read before the next start
	again := looking(t, FileOptions{Patterns: []string{path}, Cursor: l.f.encodeCursor(nil)})
	again.resume()
	again.scan()
	again.reader().wants(t, "second", "third")
}

// A log is emptied after it was copied, written to and deleted, and its successor
// renamed before the lookout comes to it: that comes after the copy, as a position
// says in which it is still unread.
func TestResumeBeforeSuccessorOfACopy(t *testing.T) {
	path, l, r := firstRead(t)
	copyTruncate(t, path)
	appendTo(t, path, "second\n")
	must(t, os.Remove(path))
	appendTo(t, path, "third\n")
	rotate(t, path, 1)
	appendTo(t, path, "fourth\n")
	l.scan()
	for range 2 { // the log is found emptied, and read
		l.allDirty()
		_, err := r.turn(t.Context(), l.f.current()[0])
		must(t, err)
	}
	b := <-r.given
	if b.Text != "second\n" {
		t.Fatalf("the first batch is %q", b.Text)
	}
	again := looking(t, FileOptions{Patterns: []string{path}, Cursor: b.Cursor})
	again.resume()
	again.scan()
	again.reader().wants(t, "third", "fourth")
}

// TestResumeWhileRotating ends the reader again and again and lets it resume
// while the log is rotated almost without a pause, each old file getting the next
// number: whatever moment of a rotation a start meets, every line comes once.
func TestResumeWhileRotating(t *testing.T) {
	w := &rotator{t: t, path: filepath.Join(t.TempDir(), "n.log"), rand: rand.New(rand.NewPCG(1, 2))}
	appendTo(t, w.path, "")
	f := follow(t, FileOptions{Patterns: []string{w.path}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(80)
	}()
	seen := map[string]int{}
	take := func(b Batch) {
		for _, l := range taken(b) {
			seen[l.Text]++
		}
	}
	starts := 0
	for writing := true; writing; starts++ {
		select {
		case <-done:
			writing = false
		case b := <-f.out:
			take(b)
			f.cursor = b.Cursor
		}
		f.kill()
		f = resume(t, w.path, f.cursor)
	}
	for quiet := false; len(seen) < w.n && !quiet; {
		select {
		case b := <-f.out:
			take(b)
		case <-time.After(patience):
			quiet = true
		}
	}
	f.kill()
	for i := range w.n {
		if text := w.text(i); seen[text] != 1 {
			t.Fatalf("%q of %d lines came %d times in %d starts; %+v", text, w.n, seen[text], starts, f.src.Stats())
		}
	}
	if starts < 2 { // a busy machine starts seldom
		t.Errorf("only %d starts", starts)
	}
}

// rotator writes numbered lines to a log and rotates it.
type rotator struct {
	t    *testing.T
	path string
	rand *rand.Rand
	n    int // lines written
}

func (w *rotator) run(rotations int) {
	for turned := range rotations {
		log, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		must(w.t, err)
		w.write(log, 1+w.rand.IntN(20))
		rotate(w.t, w.path, turned)
		w.write(log, w.rand.IntN(3)) // its writer knows nothing of it yet
		must(w.t, log.Close())
		time.Sleep(time.Duration(w.rand.IntN(3)) * time.Millisecond)
	}
}

func (w *rotator) text(i int) string { return fmt.Sprintf("line %08d", i) }

func (w *rotator) write(log *os.File, lines int) {
	for range lines {
		_, err := fmt.Fprintln(log, w.text(w.n))
		must(w.t, err)
		w.n++
	}
}
