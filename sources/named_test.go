package sources

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// What stood in a file before anybody named it is not read, whether its source is new
// or was changed. What was read of it already would count twice.
func TestFileNamedLater(t *testing.T) {
	dir := t.TempDir()
	old, added := filepath.Join(dir, "old.log"), filepath.Join(dir, "added.log")
	appendTo(t, old, "first\n")
	cursor := readSome(t, old, 1)
	appendTo(t, old, "second\n")
	appendTo(t, added, "before it was named\n")
	f := follow(t, FileOptions{Patterns: []string{added, old}, Cursor: cursor})
	f.want("second")
	appendTo(t, added, "since\n")
	f.want("since")
	f.kill()

	t.Run("fromstart", func(t *testing.T) {
		f := follow(t, FileOptions{Patterns: []string{added}, Cursor: cursor, FromStart: true})
		f.want("before it was named", "since")
	})
	t.Run("cursor that does not say what was named", func(t *testing.T) {
		c, err := parseFileCursor(cursor)
		must(t, err)
		c.Names = nil
		text, err := json.Marshal(c)
		must(t, err)
		f := follow(t, FileOptions{Patterns: []string{added}, Cursor: string(text)})
		f.want("before it was named", "since")
	})
}

// A name that was mistyped for a while is followed again from then on.
func TestFileNamedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "first\n")
	cursor := readSome(t, path, 1)
	typo := follow(t, FileOptions{Patterns: []string{path + ".lgo"}, Cursor: cursor})
	typo.kill()
	f := follow(t, FileOptions{Patterns: []string{path}, Cursor: typo.cursor})
	appendTo(t, path, "second\n")
	f.want("second")
}

// A file of a pattern that was followed before, which appeared since, is read whole:
// where a pattern that is new leads to it too, and where the pattern has another text.
func TestFileAppearedWherePatternsChanged(t *testing.T) {
	for _, c := range []struct {
		before string
		now    []string
	}{
		{"a*.log", []string{"*b.log", "a*.log"}},
		{"*", []string{"*.log"}},
	} {
		dir := t.TempDir()
		appendTo(t, filepath.Join(dir, "a.log"), "first\n")
		f := follow(t, FileOptions{Patterns: []string{filepath.Join(dir, c.before)}, FromStart: true})
		f.want("first")
		f.kill()
		appendTo(t, filepath.Join(dir, "ab.log"), "second\n")
		var now []string
		for _, pattern := range c.now {
			now = append(now, filepath.Join(dir, pattern))
		}
		f = follow(t, FileOptions{Patterns: now, Cursor: f.cursor})
		f.want("second")
		f.kill()
	}
}

// A log that was moved, and named in its new place, is read on.
func TestFileMovedAndNamed(t *testing.T) {
	dir := t.TempDir()
	old, moved := filepath.Join(dir, "old.log"), filepath.Join(dir, "moved.log")
	appendTo(t, old, "first\n")
	cursor := readSome(t, old, 1)
	appendTo(t, old, "second\n")
	must(t, os.Rename(old, moved))
	for _, fromStart := range []bool{false, true} {
		f := follow(t, FileOptions{Patterns: []string{moved}, Cursor: cursor, FromStart: fromStart})
		f.want("second")
		f.kill()
	}
}
