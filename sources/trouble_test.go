package sources

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReadFailsForAWhile has the file system of a log fail: it is a problem until
// the log can be read again, and what was written meanwhile is read then.
func TestReadFailsForAWhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.log")
	appendTo(t, path, "one\n")
	f := follow(t, FileOptions{Patterns: []string{path}, FromStart: true})
	f.want("one")

	// From a descriptor that is open to write only, no read succeeds.
	fd := f.src.current()[0].gens[0].fd
	kept, err := unix.Dup(fd)
	must(t, err)
	defer unix.Close(kept)
	broken, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Dup3(broken, fd, unix.O_CLOEXEC))
	unix.Close(broken)
	appendTo(t, path, "two\n")
	waitFor(t, "the problem", func() bool {
		p := f.src.Stats().Problems
		return len(p) == 1 && strings.Contains(p[0], "reading "+path)
	})
	must(t, unix.Dup3(kept, fd, unix.O_CLOEXEC))
	f.want("two")
	if p := f.src.Stats().Problems; len(p) > 0 {
		t.Errorf("it is read again, and still a problem: %q", p)
	}
}

// TestCopyCannotBeRead has the copy that was made of a log before it was emptied
// vanish while it is read: what it held is lost, and that is told.
func TestCopyCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.log")
	appendTo(t, path, "one\ntwo\n")
	src, err := NewFile(FileOptions{Patterns: []string{path}})
	must(t, err)
	g, err := openGeneration(path)
	must(t, err)
	defer g.close()
	cp, err := openGeneration(path)
	must(t, err)
	defer cp.close()
	must(t, cp.startAt(4))
	must(t, os.Truncate(path, 0))
	r := &fileReader{f: src, buf: make([]byte, src.chunk), split: map[string]*pieces{}}
	must(t, r.drain(t.Context(), path, g, cp))
	if l := src.Stats().Losses; len(l) != 1 || !strings.Contains(l[0], "what "+path+" held before it was emptied") {
		t.Errorf("the losses are %q", l)
	}
}
