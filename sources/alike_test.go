package sources

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	beginning = "Initializing daemon...\nKubo version: 0.36.0\n"
	// beginningLines is how many lines it has.
	beginningLines = 2
)

// alikeLines are the lines of logs that begin alike and have one line more each.
func alikeLines(texts ...string) (lines []string) {
	for _, text := range texts {
		lines = append(lines, strings.Split(beginning+text, "\n")...)
	}
	return lines
}

// away rotates a log away, by name or by copying it, compresses it and begins it
// anew with what it always begins with.
func away(t *testing.T, path string, copied, packed bool, next string) {
	t.Helper()
	(&life{t: t, path: path}).shift()
	if copied {
		copyTruncate(t, path)
	} else {
		must(t, os.Rename(path, path+".1"))
	}
	if packed {
		gz(t, path+".1")
	}
	appendTo(t, path, beginning+next+"\n")
}

// Logs that all begin with the same lines are rotated while nobody follows, after
// nothing but those lines had been read or more. They are read in order, also if each
// batch is the last one before the next start.
func TestResumeLogsThatBeginAlike(t *testing.T) {
	for _, copied := range []bool{false, true} {
		for _, packed := range []bool{false, true} {
			for _, times := range []int{1, 3} {
				for _, read := range []int{beginningLines, beginningLines + 1} {
					name := fmt.Sprintf("copied %v, packed %v, %d times, %d lines read", copied, packed, times, read)
					t.Run(name, func(t *testing.T) { resumeAlike(t, copied, packed, times, read) })
				}
			}
		}
	}
}

func resumeAlike(t *testing.T, copied, packed bool, times, read int) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, beginning+"zero\n")
	away(t, path, copied, packed, "one")
	want := alikeLines("one")[read:]
	must(t, os.Truncate(path, int64(len(beginning))))
	if read > beginningLines {
		appendTo(t, path, "one\n")
	}
	cursor := readSome(t, path, read)
	if read == beginningLines {
		appendTo(t, path, "one\n")
	}
	for i := range times {
		next := fmt.Sprintf("next %d", i)
		away(t, path, copied, packed, next)
		want = append(want, alikeLines(next)...)
	}
	resume(t, path, cursor).want(want...)
	var got []string
	for len(got) < len(want) {
		f := resume(t, path, cursor)
		f.next()
		f.kill()
		for _, line := range f.lines {
			got = append(got, line.Text)
		}
		f.lines, cursor = nil, f.cursor
	}
	if !slices.Equal(got, want) {
		t.Errorf("with a start after each batch came %q, want %q", got, want)
	}
}

// The same while the log is followed, but the reader or the lookout is behind.
func TestBehindLogsThatBeginAlike(t *testing.T) {
	for _, copied := range []bool{false, true} {
		t.Run(fmt.Sprintf("copied %v", copied), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "n.log")
			appendTo(t, path, beginning+"zero\n")
			away(t, path, copied, true, "one")
			l := looking(t, FileOptions{Patterns: []string{path}, FromStart: true})
			l.scan()
			r := l.reader()
			r.wants(t, alikeLines("one")...)
			appendTo(t, path, "more\n")
			away(t, path, copied, true, "a second log") // longer than the first
			away(t, path, false, true, "third")
			l.scan()
			r.wants(t, slices.Concat([]string{"more"}, alikeLines("a second log", "third"))...)
		})
	}
}

// The numbers count down, though what was read of the log that was compressed
// since is at the beginning of all of them.
func TestOrderOfLogsThatBeginAlike(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, beginning+"zero\n")
	away(t, path, false, true, "one")
	away(t, path, false, true, "two")
	after, err := rotated{path: path + ".1.gz", packed: true}.mark()
	must(t, err)
	away(t, path, false, true, "three")
	beginsAlike := mark{Ino: 1, First: firstLineOf([]byte(beginning)), At: int64(len(beginning)), Tail: fingerprint([]byte(beginning))}
	got := ""
	for _, r := range readShelf(path).ordered([]mark{after, beginsAlike}) {
		got += filepath.Base(r.path) + " "
	}
	if want := "n.log.3.gz n.log.2.gz n.log.1.gz "; got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}
}

// The marks of a position that an older version wrote say only how a file begins.
func TestResumeMarkOfAnOlderVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "zero\n")
	away(t, path, false, false, "one")
	cursor, err := parseFileCursor(follow(t, FileOptions{Patterns: []string{path}, FromStart: true}).first)
	must(t, err)
	after := cursor.Files[0].After
	if after == nil || after.At == 0 || after.Tail == "" {
		t.Fatalf("the mark is %+v", after)
	}
	after.At, after.Tail = 0, ""
	text, err := json.Marshal(cursor)
	must(t, err)
	away(t, path, false, true, "two")
	resume(t, path, string(text)).want(alikeLines("one", "two")...)
}
