package sources

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFileFollows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "old\n")
	f := follow(t, FileOptions{Name: "n", Patterns: []string{path}})
	appendTo(t, path, "one\ntwo\nthr")
	f.want("one", "two")
	appendTo(t, path, "ee\nfour\r\n")
	f.want("three", "four")
	appendTo(t, path, "\n\x00\xff\n")
	f.want("", "\x00\xff")
	s := f.src.Stats()
	if s.Lines != 6 || s.Lag != 0 || s.Cut != 0 || s.LastLine.IsZero() || !slices.Equal(s.Following, []string{path}) {
		t.Errorf("stats: %+v", s)
	}
}

func TestFileFromStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	text, lines := numbered(0, 5000)
	appendTo(t, path, text)
	f := follow(t, FileOptions{Patterns: []string{path}, FromStart: true})
	f.want(lines...)
}

// The line that is being written when reading begins belongs to what is written
// from then on.
func TestFileBeginsAtLineStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "old\nbeg")
	f := follow(t, FileOptions{Patterns: []string{path}})
	appendTo(t, path, "un\n")
	f.want("begun")
}

// A line whose beginning is out of sight when reading begins is Cut.
func TestFileBeginsInsideHugeLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, strings.Repeat("x", MaxLineBytes+1))
	f := follow(t, FileOptions{Patterns: []string{path}})
	appendTo(t, path, "rest\nnext\n")
	for len(f.lines) < 2 {
		f.next()
	}
	if l := f.lines; l[0] != (Line{Text: "rest", Cut: true}) || l[1] != (Line{Text: "next"}) {
		t.Errorf("got %+v", l)
	}
	f.lines = nil
}

func TestFileWaitsForMissing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "later", "n.log")
	f := follow(t, FileOptions{Patterns: []string{path}})
	if s := f.src.Stats(); !slices.Equal(s.Waiting, []string{path}) || len(s.Problems) != 0 {
		t.Errorf("stats: %+v", s)
	}
	must(t, os.Mkdir(filepath.Dir(path), 0o755))
	appendTo(t, path, "first\n")
	f.want("first")
	// The file is read while the look that found it is still being finished.
	waitFor(t, "the file no longer waited for", func() bool { return len(f.src.Stats().Waiting) == 0 })
}

func TestFileGlob(t *testing.T) {
	dir := t.TempDir()
	a := filepath.Join(dir, "a.log")
	appendTo(t, a, "old\n")
	f := follow(t, FileOptions{Patterns: []string{filepath.Join(dir, "*.log*")}})
	appendTo(t, a, "a1\n")
	f.want("a1")
	appendTo(t, filepath.Join(dir, "b.log"), "b1\n")
	f.want("b1")
	// A rotated file that the glob matches too is not read twice.
	must(t, os.Rename(a, a+".1"))
	appendTo(t, a+".1", "late\n")
	f.want("late")
	appendTo(t, a, "a2\n")
	f.want("a2")
	// Nor is a copy of one, nor a compressed one.
	appendTo(t, filepath.Join(dir, "b.log.1"), "b1\n")
	gz(t, a+".1")
	appendTo(t, a, "a3\n")
	f.want("a3")
}

func TestFileGlobInDirectories(t *testing.T) {
	dir := t.TempDir()
	f := follow(t, FileOptions{Patterns: []string{filepath.Join(dir, "*", "*-json.log")}})
	if s := f.src.Stats(); len(s.Waiting) != 1 {
		t.Errorf("stats: %+v", s)
	}
	must(t, os.Mkdir(filepath.Join(dir, "c1"), 0o755))
	appendTo(t, filepath.Join(dir, "c1", "c1-json.log"), "one\n")
	f.want("one")
}

func TestFileSymlink(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "data"), 0o755))
	link, target := filepath.Join(dir, "n.log"), filepath.Join(dir, "data", "real.log")
	appendTo(t, target, "old\n")
	must(t, os.Symlink("data/real.log", link))
	f := follow(t, FileOptions{Patterns: []string{link}})
	appendTo(t, target, "one\n")
	f.want("one")
	// The target is rotated: no name beside the link changes.
	must(t, os.Rename(target, target+".1"))
	appendTo(t, target, "two\n")
	f.want("two")
	// The link is pointed elsewhere.
	appendTo(t, filepath.Join(dir, "data", "other.log"), "three\n")
	must(t, os.Symlink("data/other.log", link+".tmp"))
	must(t, os.Rename(link+".tmp", link))
	f.want("three")
}

func TestFileTruncatedToEqualSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "old\n")
	f := follow(t, FileOptions{Patterns: []string{path}})
	for i := range 20 {
		line := fmt.Sprintf("line %06d", i)
		must(t, os.Truncate(path, 0))
		appendTo(t, path, line+"\n")
		f.want(line)
	}
	if s := f.src.Stats(); s.Truncations != 20 {
		t.Errorf("truncations: %d", s.Truncations)
	}
}

// A writer that does not append leaves a hole where the emptied text was.
func TestFileTruncatedUnderWriterWithOffset(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	w, err := os.Create(path)
	must(t, err)
	defer w.Close()
	f := follow(t, FileOptions{Patterns: []string{path}})
	text, lines := numbered(0, 100)
	_, err = w.WriteString(text)
	must(t, err)
	f.want(lines...)
	must(t, os.Truncate(path, 0))
	_, err = w.WriteString("after\n")
	must(t, err)
	f.want("after")
	must(t, os.Truncate(path, 0))
	_, err = w.WriteString("again\n")
	must(t, err)
	f.want("again")
}

// copytruncate while the reader is blocked: what it had not read is in the copy.
func TestFileReadsRestFromCopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	f := followChunks(t, FileOptions{Patterns: []string{path}})
	var want []string
	for i := range 4 {
		text, lines := numbered(i*5000, (i+1)*5000)
		appendTo(t, path, text)
		want = append(want, lines...)
		if i == 0 {
			f.next()
			waitFor(t, "the reader is blocked in the middle of the first part", func() bool { return f.src.Stats().Batches == 2 })
		}
		for k := i; k > 0; k-- {
			must(t, os.Rename(fmt.Sprintf("%s.%d", path, k), fmt.Sprintf("%s.%d", path, k+1)))
		}
		text2, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path+".1", text2, 0o644))
		must(t, os.Truncate(path, 0))
	}
	appendTo(t, path, "end\n")
	f.want(append(want, "end")...)
}

// A line whose two halves were written before and after a truncation is whole,
// but not to be trusted.
func TestFileTruncatedInsideLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	f := follow(t, FileOptions{Patterns: []string{path}})
	appendTo(t, path, "one\ntw")
	f.want("one")
	waitFor(t, "the begun line is read", func() bool { return f.src.Stats().Lag == 2 })
	must(t, os.Truncate(path, 0))
	waitFor(t, "truncation seen", func() bool { return f.src.Stats().Truncations == 1 })
	appendTo(t, path, "o\nthree\n")
	for len(f.lines) < 2 {
		f.next()
	}
	if l := f.lines; l[0] != (Line{Text: "two", Cut: true}) || l[1] != (Line{Text: "three"}) {
		t.Errorf("got %+v", l)
	}
	f.lines = nil
}

// A blocked consumer comes back after several rotations, also of files that
// have no name any more.
func TestFileSeveralRotationsBehind(t *testing.T) {
	for _, mode := range []string{"rename", "delete"} {
		t.Run(mode, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "n.log")
			f := follow(t, FileOptions{Patterns: []string{path}})
			var want []string
			for i := range 6 {
				text, lines := numbered(i*3000, (i+1)*3000)
				appendTo(t, path, text)
				want = append(want, lines...)
				waitFor(t, "the file is open", func() bool { return f.src.opened() == i+1 })
				for k := i; k > 0 && mode == "rename"; k-- {
					must(t, os.Rename(fmt.Sprintf("%s.%d", path, k), fmt.Sprintf("%s.%d", path, k+1)))
				}
				if mode == "rename" {
					must(t, os.Rename(path, path+".1"))
				} else {
					must(t, os.Remove(path))
				}
			}
			f.want(want...)
		})
	}
}

// opened is how many generations the source holds open.
func (f *File) opened() (n int) {
	for _, c := range f.current() {
		n += len(c.gens)
	}
	return n
}

func TestFileRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := NewFile(FileOptions{Patterns: []string{dir}}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
	if _, err := NewFile(FileOptions{Patterns: []string{dir + "/[a"}}); err == nil {
		t.Error("a malformed glob is accepted")
	}
	if _, err := NewFile(FileOptions{Patterns: []string{dir + "/x"}, Cursor: "nonsense"}); err == nil {
		t.Error("a malformed cursor is accepted")
	}
}
