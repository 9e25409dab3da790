package sources

import (
	"path/filepath"
	"testing"

	"github.com/p2pban/p2pban/internal/journaltest"
)

// A source that was changed from a journal to a file and kept its name begins at
// the end of the file, as a new one does.
func TestFileWithCursorOfAJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "old\n")
	cursor := newJournalState(journalCursor{Cursor: "s=1;i=2"}).encode()
	f := follow(t, FileOptions{Patterns: []string{path}, Cursor: cursor})
	appendTo(t, path, "new\n")
	f.want("new")
}

// The same the other way round.
func TestJournalWithCursorOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	appendTo(t, path, "a line\n")
	cursor := readSome(t, path, 1)
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t)
		node := j.Stream("node.service", "node")
		write(t, node, "old\n")
		j.Wait("node.service", 1)
		f := start(JournalOptions{Units: []string{"node"}, Directory: j.Directory(), Cursor: cursor})
		write(t, node, "new\n")
		f.want("new")
	})
}
