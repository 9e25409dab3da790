package sources

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Whoever may write beside a log can't stop it from being read by what he puts
// there under the name of a rotated one: not at the start, when the log is
// rotated, nor when reading goes on.
func TestFIFOBesideLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "node.log")
	appendTo(t, path, "one\n")
	for _, name := range []string{".1.gz", ".2", ".3.gz", "-20260101.gz"} {
		must(t, unix.Mkfifo(path+name, 0o600))
	}
	f := follow(t, FileOptions{Patterns: []string{path}, FromStart: true})
	f.want("one")
	must(t, unix.Rename(path, path+".1"))
	appendTo(t, path, "two\n")
	f.want("two")
	f.stop()
	must(t, unix.Rename(path, path+".9"))
	appendTo(t, path, "three\n")
	g := follow(t, FileOptions{Patterns: []string{path}, Cursor: f.cursor})
	g.want("three")
}
