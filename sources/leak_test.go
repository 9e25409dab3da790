package sources

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails if the tests leave a goroutine of this package behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leftBehind(); left != "" {
			fmt.Println("left behind:\n" + left)
			code = 1
		}
	}
	os.Exit(code)
}

// leftBehind returns the goroutines that are in this package a while after the
// tests, but for the one that runs this. Those of nxadm/tail, the yardstick,
// never end.
func leftBehind() (left string) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		left = ""
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "p2pban/sources.") && !strings.Contains(g, "leftBehind") {
				left += g + "\n\n"
			}
		}
		if left == "" {
			return ""
		}
	}
	return left
}

// A source that has ended holds no file open.
func TestFileClosesAll(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		n := 0
		for _, e := range entries {
			target, _ := os.Readlink("/proc/self/fd/" + e.Name()) // the directory itself is closed by now
			if strings.Contains(target, t.Name()) || strings.Contains(target, "inotify") {
				n++
			}
		}
		return n
	}
	before := count()
	dir := t.TempDir()
	f := follow(t, FileOptions{Patterns: []string{dir + "/*"}})
	for i := range 5 {
		appendTo(t, fmt.Sprintf("%s/n%d", dir, i), "one\n")
		f.want("one")
	}
	if during := count(); during != before+6 {
		t.Errorf("%d files open, want 5 logs and inotify", during-before)
	}
	f.stop()
	if after := count(); after != before {
		t.Errorf("%d files open at the end, %d before", after, before)
	}
}
