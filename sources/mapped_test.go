package sources

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// longLog writes a log of some windows, every line another, and gives its lines.
func longLog(t *testing.T) (path string, lines []string) {
	t.Helper()
	var text strings.Builder
	for i := 0; text.Len() < 3*mapBytes+mapBytes/2; i++ {
		lines = append(lines, fmt.Sprintf("line %d %s", i, strings.Repeat("x", i%300)))
		text.WriteString(lines[i] + "\n")
	}
	path = filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, lines
}

// What is appended to a file while it is read is read too, as with ReadFile.
func TestBlocksOfAFileThatGrows(t *testing.T) {
	path, lines := longLog(t)
	appendTo(t, path, "a line that has be")
	lines = append(lines, "a line that has begun", "and one more", "without its end")
	n, blocks := 0, 0
	check := func(line string) {
		if n >= len(lines) || line != lines[n] {
			t.Fatalf("line %d of %d is %q", n, len(lines), line)
		}
		n++
	}
	for b, err := range ReadFileBlocks(path) {
		if err != nil {
			t.Fatal(err)
		}
		if blocks++; blocks == 2 {
			appendTo(t, path, "gun\nand one more\nwithout its end")
		}
		for _, line := range b.all() {
			check(line.Text)
		}
	}
	if n != len(lines) {
		t.Errorf("%d lines of %d", n, len(lines))
	}
}

// A file that is truncated while it is read gives an error that says so, even if
// nothing was lost but what the page has zeros for now, or what comes after the
// Block that was given.
func TestBlocksOfATruncatedFile(t *testing.T) {
	for _, left := range []int64{0, 1, mapBytes / 2, mapBytes, 2*mapBytes + 5, 3*mapBytes + mapBytes/2 - 1} {
		path, _ := longLog(t)
		var last error
		for _, err := range ReadFileBlocks(path) {
			if last = err; err != nil {
				continue
			}
			if err := os.Truncate(path, left); err != nil {
				t.Fatal(err)
			}
		}
		if !errors.Is(last, ErrTruncated) || !strings.Contains(last.Error(), path) {
			t.Errorf("%d bytes left: %v", left, last)
		}
	}
}

// Who looks at what is gone panics, in compiled code and in the library's
// assembly, and the windows are unmapped all the same.
func TestBlocksThatAreGone(t *testing.T) {
	looks := map[string]func(string) int{
		"compiled": func(s string) (n int) {
			for i := 0; i < len(s); i++ {
				n += int(s[i])
			}
			return n
		},
		"assembly": func(s string) int { return strings.Count(s, "\n") },
		"copy":     func(s string) int { return len(strings.Clone(s)) },
		"compare":  func(s string) int { return strings.Compare(s, strings.Clone(s)) },
	}
	for name, look := range looks {
		path, _ := longLog(t)
		var window string
		fault := func() (fault any) {
			defer func() { fault = recover() }()
			for b, err := range ReadFileBlocks(path) {
				if err != nil {
					t.Fatal(err)
				}
				window = b.Text
				if err := os.Truncate(path, 5000); err != nil {
					t.Fatal(err)
				}
				look(b.Text)
			}
			return nil
		}()
		if e, ok := fault.(runtime.Error); !ok || !strings.Contains(e.Error(), "fault") && !strings.Contains(e.Error(), "invalid memory address") {
			t.Errorf("%s: %v", name, fault)
		}
		if mappedAt(t, path) {
			t.Errorf("%s: a window of %d bytes is still mapped", name, len(window))
		}
	}
}

// Windows that are read are unmapped, but for those that may be looked at.
func TestWindowsAreUnmapped(t *testing.T) {
	path, _ := longLog(t)
	most := 0
	for _, err := range ReadFileBlocks(path) {
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, strings.Count(maps(t), path))
	}
	if most < 1 || most > 2 {
		t.Errorf("%d windows at once", most)
	}
	if mappedAt(t, path) {
		t.Error("a window is still mapped at the end")
	}
}

func mappedAt(t *testing.T, path string) bool { return strings.Contains(maps(t), path) }

func maps(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What can't be mapped is read: a FIFO, and files of /proc, which have no size.
func TestBlocksOfWhatIsNoRegularFile(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(fifo, []byte("one\ntwo\n"), 0)
	if got := blockLines(t, ReadFileBlocks(fifo)); fmt.Sprint(got) != fmt.Sprint([]string{fmt.Sprint(SplitLine("one")), fmt.Sprint(SplitLine("two"))}) {
		t.Errorf("of a FIFO: %q", got)
	}
	if got := blockLines(t, ReadFileBlocks("/proc/self/status")); len(got) < 10 {
		t.Errorf("of /proc/self/status: %q", got)
	}
}
