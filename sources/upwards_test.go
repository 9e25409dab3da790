package sources

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Where the rotated file with the highest number is the newest, its older
// neighbours have been read.
func TestResumeNumbersCountUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path+".1", "older 1\n")
	appendTo(t, path+".2", "older 2\n")
	appendTo(t, path, "one\n")
	cursor := readSome(t, path, 1)
	appendTo(t, path, "two\n")
	must(t, os.Rename(path, path+".3"))
	appendTo(t, path+".4", "three\n")
	appendTo(t, path+".10", "four\n")
	gz(t, path+".1")
	appendTo(t, path, "five\n")
	f := resume(t, path, cursor)
	f.want("two", "three", "four", "five")
	appendTo(t, path, "after\n")
	f.want("after")
}

// The file in which reading stopped is gone; what was rotated away before it is
// not read again.
func TestResumeNumbersCountUpLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "one\n")
	f := follow(t, FileOptions{Patterns: []string{path}, FromStart: true})
	f.want("one")
	for i := 1; i <= 3; i++ {
		must(t, os.Rename(path, fmt.Sprintf("%s.%d", path, i)))
		appendTo(t, path, fmt.Sprintf("more %d\n", i))
		f.want(fmt.Sprintf("more %d", i))
	}
	f.stop()
	must(t, os.Remove(path))
	appendTo(t, path+".5", "two\n")
	appendTo(t, path, "three\n")
	resume(t, path, f.cursor).want("two", "three")
}

func TestFollowNumbersCountUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path+".1", "older 1\n")
	appendTo(t, path+".2", "older 2\n")
	appendTo(t, path, "line 2\n")
	f := follow(t, FileOptions{Patterns: []string{path}, FromStart: true})
	f.want("line 2")
	for i := 3; i < 12; i++ {
		must(t, os.Rename(path, fmt.Sprintf("%s.%d", path, i)))
		appendTo(t, path, fmt.Sprintf("line %d\n", i))
		f.want(fmt.Sprintf("line %d", i))
	}
}

// Counting down is what most do, and what is believed as long as nothing shows
// otherwise.
func TestOrient(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	marks := map[int]mark{}
	for i := 1; i <= 3; i++ {
		name := fmt.Sprintf("%s.%d", path, i)
		appendTo(t, name, fmt.Sprintf("file %d\n", i))
		m, err := rotated{path: name}.mark()
		must(t, err)
		marks[i] = m
	}
	const down, up = "321", "123"
	for _, tt := range []struct {
		known []mark
		want  string
	}{
		{nil, down},
		{[]mark{marks[2]}, down},
		{[]mark{marks[3], marks[2]}, down},
		{[]mark{marks[2], marks[2], marks[3]}, up},
		{[]mark{{Ino: 1, First: "gone"}, marks[1], marks[3]}, up},
		{[]mark{{}, marks[1]}, up},
		{[]mark{{}, marks[3]}, down},
		{[]mark{{}, marks[2]}, down},
	} {
		got := ""
		for _, r := range readShelf(path).ordered(tt.known) {
			got += r.path[len(r.path)-1:]
		}
		if got != tt.want {
			t.Errorf("known %v: the order is %s, want %s", tt.known, got, tt.want)
		}
	}
}
