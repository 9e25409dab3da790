package sources

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// readSome follows path from its start until it has n lines, stops, and returns
// the cursor then.
func readSome(t *testing.T, path string, n int) string {
	t.Helper()
	f := follow(t, FileOptions{Patterns: []string{path}, FromStart: true})
	for len(f.lines) < n {
		f.next()
	}
	if len(f.lines) != n {
		t.Fatalf("read %d lines, want %d", len(f.lines), n)
	}
	f.kill()
	f.lines = nil
	return f.cursor
}

func resume(t *testing.T, path, cursor string) *follower {
	t.Helper()
	return follow(t, FileOptions{Patterns: []string{path}, Cursor: cursor})
}

func TestResume(t *testing.T) {
	first, firstLines := numbered(0, 100)
	second, secondLines := numbered(100, 200)
	third, thirdLines := numbered(200, 300)
	fourth, fourthLines := numbered(300, 400)
	// down says what happens between the stop, after firstLines, and the start;
	// want is what comes then.
	tests := []struct {
		name string
		down func(t *testing.T, path string)
		want []string
	}{
		{"grown", func(t *testing.T, path string) {
			appendTo(t, path, second)
		}, secondLines},
		{"renamed", func(t *testing.T, path string) {
			appendTo(t, path, second)
			must(t, os.Rename(path, path+".1"))
			appendTo(t, path, third)
		}, slices.Concat(secondLines, thirdLines)},
		{"renamed twice", func(t *testing.T, path string) {
			appendTo(t, path, second)
			must(t, os.Rename(path, path+".2"))
			appendTo(t, path+".1", third)
			appendTo(t, path, fourth)
		}, slices.Concat(secondLines, thirdLines, fourthLines)},
		{"renamed to a higher number, older ones lie there", func(t *testing.T, path string) {
			appendTo(t, path, second)
			must(t, os.Rename(path, path+".3"))
			appendTo(t, path+".4", third)
			appendTo(t, path, fourth)
		}, slices.Concat(secondLines, thirdLines, fourthLines)},
		{"renamed by date, an older one lies there", func(t *testing.T, path string) {
			appendTo(t, path+"-20260101", "older\n")
			appendTo(t, path, second)
			must(t, os.Rename(path, path+"-20260102"))
			appendTo(t, path+"-20260103", third)
			appendTo(t, path, fourth)
		}, slices.Concat(secondLines, thirdLines, fourthLines)},
		{"renamed, nothing new yet", func(t *testing.T, path string) {
			appendTo(t, path, second)
			must(t, os.Rename(path, path+".1"))
		}, secondLines},
		{"renamed and compressed", func(t *testing.T, path string) {
			appendTo(t, path, second)
			must(t, os.Rename(path, path+".1"))
			gz(t, path+".1")
			appendTo(t, path, third)
		}, slices.Concat(secondLines, thirdLines)},
		{"renamed and compressed, twice", func(t *testing.T, path string) {
			appendTo(t, path, second)
			must(t, os.Rename(path, path+".3"))
			gz(t, path+".3")
			appendTo(t, path+".2", third)
			gz(t, path+".2")
			appendTo(t, path+".1", fourth)
			appendTo(t, path, "now\n")
		}, slices.Concat(secondLines, thirdLines, fourthLines, []string{"now"})},
		{"lumberjack", func(t *testing.T, path string) {
			stem := strings.TrimSuffix(path, ".log")
			appendTo(t, stem+"-2026-01-01T00-00-00.000.log.gz", "older, not even gzip\n")
			appendTo(t, path, second)
			must(t, os.Rename(path, stem+"-2026-01-02T00-00-00.000.log"))
			gz(t, stem+"-2026-01-02T00-00-00.000.log")
			appendTo(t, path, third)
		}, slices.Concat(secondLines, thirdLines)},
		{"copytruncate", func(t *testing.T, path string) {
			appendTo(t, path, second)
			copyTruncate(t, path)
			appendTo(t, path, third)
		}, slices.Concat(secondLines, thirdLines)},
		{"copytruncate twice, grown longer than before", func(t *testing.T, path string) {
			appendTo(t, path, second)
			copyTruncate(t, path)
			appendTo(t, path, third)
			must(t, os.Rename(path+".1", path+".2"))
			copyTruncate(t, path)
			appendTo(t, path, fourth)
		}, slices.Concat(secondLines, thirdLines, fourthLines)},
		{"deleted and created anew", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			appendTo(t, path, third)
		}, thirdLines},
		{"emptied and grown to the same size", func(t *testing.T, path string) {
			must(t, os.Truncate(path, 0))
			appendTo(t, path, third) // as long as first
		}, thirdLines},
		{"restored from a backup", func(t *testing.T, path string) {
			appendTo(t, path, second)
			text, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path+".tmp", text, 0o644))
			must(t, os.Rename(path+".tmp", path))
		}, secondLines},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "n.log")
			appendTo(t, path, first)
			cursor := readSome(t, path, len(firstLines))
			tt.down(t, path)
			f := resume(t, path, cursor)
			f.want(tt.want...)
			appendTo(t, path, "after\n")
			f.want("after")
		})
	}
}

// copyTruncate is logrotate's copytruncate.
func copyTruncate(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path+".1", text, 0o644))
	must(t, os.Truncate(path, 0))
}

func TestResumeInsideLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "one\ntw")
	cursor := readSome(t, path, 1)
	appendTo(t, path, "o\n")
	resume(t, path, cursor).want("two")
}

// Every batch's cursor resumes exactly behind it.
func TestResumeAfterAnyBatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	text, lines := numbered(0, 10_000)
	appendTo(t, path, text)
	cursor := ""
	for done := 0; done < len(lines); {
		f := followChunks(t, FileOptions{Patterns: []string{path}, FromStart: true, Cursor: cursor})
		f.next()
		f.kill()
		if want := lines[done : done+len(f.lines)]; len(f.lines) == 0 || f.lines[0].Text != want[0] {
			t.Fatalf("after %d lines comes %q", done, f.lines[0].Text)
		}
		done += len(f.lines)
		f.lines, cursor = nil, f.cursor
	}
}

// A source that was stopped before its first line begins where it began.
func TestResumeBeforeFirstLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "old\n")
	f := follow(t, FileOptions{Patterns: []string{path}})
	f.stop()
	appendTo(t, path, "new\n")
	resume(t, path, f.cursor).want("new")
}

// A file that did not exist when the source was stopped is new.
func TestResumeWhenFileAppeared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	f := follow(t, FileOptions{Patterns: []string{path}})
	f.stop()
	appendTo(t, path, "new\n")
	resume(t, path, f.cursor).want("new")
}

func TestResumeLingeringWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "one\n")
	f := follow(t, FileOptions{Patterns: []string{path}, FromStart: true})
	f.want("one")
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, "new 1\n")
	f.want("new 1")
	f.stop()
	appendTo(t, path+".1", "late\n")
	appendTo(t, path, "new 2\n")
	resume(t, path, f.cursor).want("late", "new 2")
}

// An empty file that was rotated away tells nothing of the order of the others.
func TestResumeBesideAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "")
	f := follow(t, FileOptions{Patterns: []string{path}})
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, "")
	waitFor(t, "both files are open", func() bool { return f.src.opened() == 2 })
	for i, line := range []string{"one", "two", "three"} {
		appendTo(t, path, line+"\n")
		f.want(line)
		if line == "three" {
			break
		}
		shift(t, path, i+1)
		copyTruncate(t, path)
		waitFor(t, "the truncation is seen", func() bool { return f.src.Stats().Truncations == uint64(i+1) })
	}
	f.stop()
	must(t, os.Remove(path))
	appendTo(t, path, "four\n")
	resume(t, path, f.cursor).want("four")
}

func TestResumeReportsLostPosition(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "one\n")
	cursor := readSome(t, path, 1)
	must(t, os.Remove(path))
	appendTo(t, path, "two\n")
	f := resume(t, path, cursor)
	f.want("two")
	s := f.src.Stats()
	if len(s.Losses) != 1 || !strings.Contains(s.Losses[0], fmt.Sprintf("the position in %s is lost", path)) || time.Since(s.LastLoss) > time.Minute {
		t.Errorf("losses: %q at %v", s.Losses, s.LastLoss)
	}
	if len(s.Problems) > 0 {
		t.Errorf("it is read, and yet has the problems %q", s.Problems)
	}
}

// TestResumeBehindALostFile stops while a file just rotated away is still open, and
// deletes it: what came after it goes on from its position, and nothing says that
// it is read from its beginning.
func TestResumeBehindALostFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "one\n")
	f := follow(t, FileOptions{Patterns: []string{path}, FromStart: true})
	f.want("one")
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, "two\n")
	f.want("two")
	f.stop()
	must(t, os.Remove(path+".1"))
	appendTo(t, path, "three\n")
	g := resume(t, path, f.cursor)
	g.want("three")
	if l := g.src.Stats().Losses; len(l) != 1 || !strings.Contains(l[0], "a file rotated away from "+path) || strings.Contains(l[0], "beginning") {
		t.Errorf("losses: %q", l)
	}
}
