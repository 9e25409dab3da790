package sources

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// followWith is follow for a File changed before it runs.
func followWith(t *testing.T, o FileOptions, change func(*File)) *follower {
	t.Helper()
	src, err := NewFile(o)
	must(t, err)
	change(src)
	return run(t, src)
}

// Without inotify the files are looked at, and all is well with the source: what it
// gives is read, and what the daemon watches in it must not be given up.
func TestFileWithoutInotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	var log strings.Builder
	o := FileOptions{Patterns: []string{path}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	f := followWith(t, o, func(f *File) {
		f.notify = func() (*notifier, error) { return nil, errors.New("inotify: too many open files") }
	})
	appendTo(t, path, "one\n")
	f.want("one")
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, "two\n")
	f.want("two")
	appendTo(t, path+".1", "late\n")
	f.want("late")
	if p := f.src.Stats().Problems; len(p) > 0 {
		t.Errorf("problems: %q", p)
	}
	f.stop()
	if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "looking at files every 50ms") || !strings.Contains(said, "too many open files") {
		t.Errorf("the log says %q", said)
	}
}

// More rotations than files may be held open, while nobody reads.
func TestFileMoreRotationsBehindThanHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	f := follow(t, FileOptions{Patterns: []string{path}})
	var want []string
	for i := range maxGenerations + 10 {
		text, lines := numbered(i*10, (i+1)*10)
		appendTo(t, path, text)
		want = append(want, lines...)
		waitFor(t, "the file is open", func() bool { return f.src.opened() == min(i+1, maxGenerations) })
		shift(t, path, i)
		must(t, os.Rename(path, path+".1"))
	}
	appendTo(t, path, "end\n")
	f.want(append(want, "end")...)
}

// A rotated file is let go when its successor is written to and it is not.
func TestFileLetsGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	f := followWith(t, FileOptions{Patterns: []string{path}}, func(f *File) { f.linger = time.Millisecond })
	appendTo(t, path, "one\nbegun")
	f.want("one")
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, "two\n")
	f.want("two")
	// The line that nobody will end is not dropped.
	for len(f.lines) < 1 {
		f.next()
	}
	if l := f.lines[0]; l != (Line{Text: "begun", Cut: true}) {
		t.Errorf("got %+v", l)
	}
	f.lines = nil
	waitFor(t, "one file is open", func() bool { return f.src.opened() == 1 })
}

// As long as the successor is empty, its predecessor is being written to.
func TestFileKeepsPredecessorOfEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	f := followWith(t, FileOptions{Patterns: []string{path}}, func(f *File) { f.linger = time.Millisecond })
	appendTo(t, path, "one\n")
	f.want("one")
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, "")
	waitFor(t, "both files are open", func() bool { return f.src.opened() == 2 })
	appendTo(t, filepath.Join(filepath.Dir(path), "other"), "") // a name changes: everything is looked at
	appendTo(t, path+".1", "late\n")
	f.want("late")
}

// A deleted file without a successor is let go in the end, and its path is
// waited for.
func TestFileLetsDeletedGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	f := followWith(t, FileOptions{Patterns: []string{path}}, func(f *File) { f.deleted = time.Millisecond })
	appendTo(t, path, "one\n")
	f.want("one")
	must(t, os.Remove(path))
	waitFor(t, "no file is open", func() bool { return f.src.opened() == 0 })
	if s := f.src.Stats(); len(s.Waiting) != 1 {
		t.Errorf("stats: %+v", s)
	}
	appendTo(t, path, "two\n")
	f.want("two")
}

// A glob that matches rotated files under names that don't say so.
func TestFileGlobRenamedToUnknownName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.log")
	f := follow(t, FileOptions{Patterns: []string{filepath.Join(dir, "*")}})
	for i := range maxLingering + 5 {
		line := fmt.Sprintf("line %d", i)
		appendTo(t, path, line+"\n")
		f.want(line)
		must(t, os.Rename(path, filepath.Join(dir, fmt.Sprintf("was-%d-n.log", i))))
	}
	appendTo(t, filepath.Join(dir, "was-0-n.log"), "late\n")
	f.want("late")
}

// unprivileged runs the calling test again as nobody and returns its output. In
// that run it returns ok.
func unprivileged(t *testing.T) (ok bool) {
	t.Helper()
	const marker = "P2PBAN_TEST_AS_NOBODY"
	if os.Geteuid() != 0 || os.Getenv(marker) != "" {
		return true
	}
	exe := filepath.Join(os.TempDir(), fmt.Sprintf("sources-%d.test", os.Getpid()))
	text, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(exe, text, 0o755)) // go test's own directory is closed to others
	defer os.Remove(exe)
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), marker+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	return false
}

func TestFileUnreadable(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "n.log")
	appendTo(t, path, "old\n")
	must(t, os.Chmod(path, 0))
	_, err := NewFile(FileOptions{Patterns: []string{path}})
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), path+" is ----------") || !strings.Contains(err.Error(), "let the group") {
		t.Errorf("file: %v", err)
	}
	if _, err := NewFile(FileOptions{Patterns: []string{filepath.Join(dir, "*.log")}}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("glob: %v", err)
	}
	for _, err := range ReadFile(path) {
		if !errors.Is(err, os.ErrPermission) {
			t.Errorf("whole file: %v", err)
		}
	}

	// One that becomes unreadable is a problem that goes away again.
	must(t, os.Chmod(path, 0o600))
	f := follow(t, FileOptions{Patterns: []string{path}})
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, []byte("new\n"), 0))
	waitFor(t, "the problem is told", func() bool {
		p := f.src.Stats().Problems
		return len(p) == 1 && strings.Contains(p[0], "permission denied")
	})
	must(t, os.Chmod(path, 0o600))
	f.want("new")
	// The file is read while the look that opened it is still being finished.
	waitFor(t, "the problem is over", func() bool { return len(f.src.Stats().Problems) == 0 })

	// A directory in the way is named.
	must(t, os.Chmod(dir, 0o600))
	defer os.Chmod(dir, 0o700)
	if _, err := NewFile(FileOptions{Patterns: []string{path}}); err == nil || !strings.Contains(err.Error(), dir+" is d") || !strings.Contains(err.Error(), "enter") {
		t.Errorf("directory: %v", err)
	}
	must(t, os.Chmod(dir, 0))
	if _, err := NewFile(FileOptions{Patterns: []string{filepath.Join(dir, "*.log")}}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("glob in a closed directory: %v", err)
	}
}
