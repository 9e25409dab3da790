//go:build cgo && linux

package sources

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/journaltest"
)

// What journald writes shows in the heads of its files at once, long before it
// tells anybody, and only once.
func TestHeadsShowThatAJournalHasGrown(t *testing.T) {
	t.Parallel()
	j := journaltest.Start(t)
	node := j.Stream("node.service", "node")
	write(t, node, "one\n")
	j.Wait("node.service", 1)
	h := openHeads(j.Directory())
	defer h.close()
	if len(h.files) == 0 {
		t.Fatal("no file is looked at")
	}
	if h.changed(time.Millisecond, 1) {
		t.Error("grown, while nothing was written")
	}
	write(t, node, "two\n")
	if !h.changed(time.Millisecond, int(patience/time.Millisecond)) {
		t.Error("not grown, though a line was written")
	}
	j.Sync()
	h.changed(0, 1)
	if h.changed(time.Millisecond, 1) {
		t.Error("grown once more")
	}
}

// After a rotation journald writes to another file.
func TestHeadsFollowTheRotationOfAJournal(t *testing.T) {
	t.Parallel()
	j := journaltest.Start(t)
	node := j.Stream("node.service", "node")
	write(t, node, "one\n")
	j.Wait("node.service", 1)
	opened, err := openLibsystemd(j.Directory(), [][]string{{"_SYSTEMD_UNIT=node.service"}})
	must(t, err)
	defer opened.close()
	l := opened.(*libsystemd)
	j.Rotate()
	write(t, node, "two\n")
	for end := time.Now().Add(patience); !readsNewest(t, l.heads, j.Directory()); {
		if time.Now().After(end) {
			t.Fatal("the new file is not looked at")
		}
		must(t, l.wait(t.Context(), time.Millisecond, 1))
	}
}

// readsNewest tells whether the heads are just the files that are written to.
func readsNewest(t *testing.T, h *heads, directory string) bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(directory, "*", "system.journal"))
	must(t, err)
	if len(paths) != 1 || len(h.files) != 1 {
		return false
	}
	now, err := os.Stat(paths[0])
	must(t, err)
	open, err := h.files[0].Stat()
	must(t, err)
	return os.SameFile(now, open)
}

// A journal without a file that is written to, such as one from another machine,
// is looked at by the library alone.
func TestHeadsOfAJournalThatIsFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "system@0123.journal"), nil, 0o600))
	h := openHeads(dir)
	defer h.close()
	if len(h.files) != 0 {
		t.Errorf("%d files are looked at, none is written to", len(h.files))
	}
	if h.changed(0, 1) {
		t.Error("grown")
	}
}

// A growth may be of several entries, and the second be looked for too early: it is
// looked for afresh although the first was found.
func TestJournalLooksAgainForWhatCameTogether(t *testing.T) {
	t.Parallel()
	j := journaltest.Start(t)
	node := j.Stream("node.service", "node")
	opened, err := openLibsystemd(j.Directory(), [][]string{{"_SYSTEMD_UNIT=node.service"}})
	must(t, err)
	defer opened.close()
	l := opened.(*libsystemd)
	_, err = l.follow(t.Context(), "")
	must(t, err)
	for range 3 {
		write(t, node, "one\n")
		got, err := l.next(t.Context())
		must(t, err)
		if len(got) != 1 {
			t.Fatalf("%d entries", len(got))
		}
		if !l.grew { // found before the head was looked at
			must(t, l.more(t.Context()))
		}
		if !l.grew {
			t.Fatal("what came with the entry is not looked for afresh")
		}
	}
}

// Whoever waits for a journal that stands still ends with its context.
func TestWaitForAQuietJournalEnds(t *testing.T) {
	t.Parallel()
	j := journaltest.Start(t)
	opened, err := openLibsystemd(j.Directory(), [][]string{{"_SYSTEMD_UNIT=node.service"}})
	must(t, err)
	defer opened.close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := opened.next(ctx); err == nil || ctx.Err() == nil {
		t.Errorf("%v, context %v", err, ctx.Err())
	}
}
