package sources

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// recentBytes is how much of what was read last is remembered, to notice a
	// file that was emptied and written again. It holds at least one whole
	// canonical line (up to about 440 bytes) with its timestamp, so that it
	// does not repeat.
	recentBytes = 512
	// firstBytes bounds what of the first line makes its hash.
	firstBytes = 1024
	// markBytes bounds how far into a file the place is that makes its mark. Many
	// programs write the same lines at each start, without a time: it is far
	// beyond those.
	markBytes = 64 << 10
)

// fileID is a file, whatever its name.
type fileID struct{ dev, ino uint64 }

func idOf(info fs.FileInfo) fileID {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fileID{uint64(st.Dev), st.Ino}
	}
	return fileID{}
}

// generation is one of the files that a path has led to: the present one, or
// one that was rotated away and may still be written to or not read to its end.
// The reader owns it, but for dirty.
type generation struct {
	id fileID
	fd int
	// archive gives the rest of a compressed file, which is read once and not
	// followed; nil for a plain file.
	archive io.ReadCloser

	// dirty is set when there may be something to read.
	dirty atomic.Bool
	// named is set while one of the source's patterns leads to this very file.
	named atomic.Bool
	// at is where the line begins that has not been handed on yet.
	at atomic.Int64

	// pos is what was read up to: at and the line that has begun.
	pos int64
	// recent holds the last bytes before pos, at most recentBytes.
	recent []byte
	// holds is what is known of what it holds, nil if nothing: up to at, or, before
	// anything was read of a rotated file, up to its end or markBytes. The lookout
	// reads it too.
	holds atomic.Pointer[mark]
	// after is the newest file rotated away from the path when this one was
	// begun. The lookout reads it too.
	after atomic.Pointer[mark]
	lines splitter
	// hole is set while a file read from its beginning gave only NUL bytes: a
	// writer that does not append leaves them when its file is emptied.
	hole bool
	// trouble is the problem told of it, "" while it can be read.
	trouble string
	// grew is when something was read from it last, begun that something ever was.
	grew  time.Time
	begun bool
	// encoded is this generation in the cursor as part of the chain of
	// encodedFor; nil when it has changed.
	encoded    []byte
	encodedFor string
}

// openGeneration opens a regular file at its beginning.
func openGeneration(path string) (*generation, error) {
	fd, st, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	g := &generation{id: fileID{uint64(st.Dev), st.Ino}, fd: fd, hole: true, grew: time.Now()}
	g.dirty.Store(true)
	return g, nil
}

// notRegularError says what stands where a file was expected.
type notRegularError struct {
	path string
	mode uint32
}

func (e *notRegularError) Error() string {
	switch e.mode {
	case unix.S_IFDIR:
		return fmt.Sprintf("%s is a directory: name the files in it, such as %s/*.log", e.path, e.path)
	case unix.S_IFIFO:
		return fmt.Sprintf("%s is a named pipe, which can't be followed: feed it to standard input", e.path)
	}
	return fmt.Sprintf("%s is not a regular file", e.path)
}

// known is what is known of the order of the files of the path, old to new.
func (g *generation) known() (known []mark) {
	if m := g.after.Load(); m != nil {
		known = append(known, *m)
	}
	if m := g.mark(); m.First != "" {
		known = append(known, m)
	}
	return known
}

// mark returns what is known of what the file holds, or held when it was read; zero
// if nothing is.
func (g *generation) mark() mark {
	if m := g.holds.Load(); m != nil {
		return *m
	}
	return mark{}
}

func (g *generation) close() {
	if g.archive != nil {
		g.archive.Close()
		return
	}
	unix.Close(g.fd)
}

// size returns the length of the file now; -1 if that can't be known.
func (g *generation) size() int64 {
	var st unix.Stat_t
	if g.archive != nil || unix.Fstat(g.fd, &st) != nil {
		return -1
	}
	return st.Size
}

// deleted says that the file has no name left.
func (g *generation) deleted() bool {
	var st unix.Stat_t
	return g.archive == nil && unix.Fstat(g.fd, &st) == nil && st.Nlink == 0
}

// errRewritten says that a file no longer holds, before pos, what was read there.
var errRewritten = errors.New("file was emptied or written anew")

// read returns what follows pos, as much as fits into buf; nothing at the end
// of the file. One pread also shows whether what stands before pos is still
// what was read: that, not the size, is how a truncation is noticed.
func (g *generation) read(buf []byte) ([]byte, error) {
	if g.archive != nil {
		n, err := readUpTo(g.archive, buf)
		return buf[:n], err
	}
	known := len(g.recent)
	n, err := pread(g.fd, buf, g.pos-int64(known))
	if err != nil {
		return nil, err
	}
	if n < known || !bytes.Equal(buf[:known], g.recent) {
		return nil, errRewritten
	}
	return g.skipHole(buf[known:n])
}

// skipHole drops the NUL bytes at the beginning of a file.
func (g *generation) skipHole(data []byte) ([]byte, error) {
	if !g.hole || len(data) == 0 {
		return data, nil
	}
	text := bytes.TrimLeft(data, "\x00")
	g.pos += int64(len(data) - len(text))
	g.hole = len(text) == 0
	if g.hole {
		if next, err := unix.Seek(g.fd, g.pos, unix.SEEK_DATA); err == nil {
			g.pos = next
		}
	}
	if len(text) < len(data) {
		g.recent = make([]byte, min(g.pos, recentBytes))
		g.passed(g.pos, g.recent)
	}
	if g.hole {
		return nil, errHole
	}
	return text, nil
}

// errHole says that there was nothing but NUL bytes, and maybe more to come.
var errHole = errors.New("hole")

// advance notes that data was read.
func (g *generation) advance(data []byte) {
	g.pos += int64(len(data))
	g.recent = lastBytes(g.recent, data)
	g.grew, g.begun = time.Now(), true
}

// passed notes that the lines before offset at in the file were handed on;
// before are the bytes that stand there, as many as are known.
func (g *generation) passed(at int64, before []byte) {
	g.at.Store(at)
	m := mark{Ino: g.id.ino, First: g.mark().First, At: at, Tail: fingerprint(before)}
	if m.First == "" && g.archive == nil {
		m.First = firstLine(g.fd)
	}
	g.holds.Store(&m)
	g.encoded = nil
}

// restart begins at the beginning of the file, which was emptied. The line that
// had begun goes on there (its writer knows nothing of it), but what was
// between may be lost: it is Cut.
func (g *generation) restart(after *mark) {
	g.after.Store(after)
	g.pos, g.recent, g.encoded, g.hole = 0, nil, nil, true
	g.at.Store(0)
	g.holds.Store(nil)
	g.lines.broken = g.lines.length > 0
	g.dirty.Store(true)
}

// startAt puts the generation at offset at, which is behind a newline.
func (g *generation) startAt(at int64) error {
	before := make([]byte, min(at, recentBytes))
	if n, err := pread(g.fd, before, at-int64(len(before))); err != nil || n < len(before) {
		return errRewritten
	}
	g.pos, g.recent, g.hole, g.begun = at, before, at == 0, at > 0
	g.passed(at, before)
	return nil
}

// startAtEnd puts the generation behind the last line that is complete now.
func (g *generation) startAtEnd() error {
	end := g.size()
	window := make([]byte, min(end, MaxLineBytes))
	n, err := pread(g.fd, window, end-int64(len(window)))
	if err != nil {
		return err
	}
	i := bytes.LastIndexByte(window[:n], '\n')
	if i < 0 && int64(n) < end {
		g.lines.broken = true // the beginning of a very long line is behind us
		return g.startAt(end)
	}
	return g.startAt(end - int64(len(window)) + int64(i) + 1)
}

// lastBytes returns the last recentBytes of a followed by b, in a's memory.
func lastBytes(a, b []byte) []byte {
	if len(b) >= recentBytes {
		return append(a[:0], b[len(b)-recentBytes:]...)
	}
	if over := len(a) + len(b) - recentBytes; over > 0 {
		a = a[:copy(a, a[over:])]
	}
	return append(a, b...)
}

// firstLine returns the fingerprint of the first line of a file, or of its
// first firstBytes; "" while it is shorter than both.
func firstLine(fd int) string {
	var buf [firstBytes]byte
	n, err := pread(fd, buf[:], 0)
	if err != nil {
		return ""
	}
	return firstLineOf(buf[:n])
}

func firstLineOf(head []byte) string {
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		head = head[:i+1]
	} else if len(head) < firstBytes {
		return ""
	}
	return fingerprint(head)
}

// markOf returns the mark of the file with that inode that begins with head, all of
// it or markBytes.
func markOf(ino uint64, head []byte) mark {
	return mark{
		Ino:   ino,
		First: firstLineOf(head[:min(len(head), firstBytes)]),
		At:    int64(len(head)),
		Tail:  fingerprint(head[max(0, len(head)-recentBytes):]),
	}
}

// marked is markOf what a plain file holds now; zero if it can't be read.
func (g *generation) marked() mark {
	head := make([]byte, min(max(g.size(), 0), markBytes))
	n, err := pread(g.fd, head, 0)
	if err != nil {
		return mark{}
	}
	return markOf(g.id.ino, head[:n])
}

// fingerprint is 64 bits of SHA-256: long enough that two lines don't share it
// by chance, short enough for a cursor with many files.
func fingerprint(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// readUpTo fills buf from r as far as r goes; its end is no error, nor is an
// error after something was read, for the next call will meet it.
func readUpTo(r io.Reader, buf []byte) (int, error) {
	for n := 0; ; {
		if n == len(buf) {
			return n, nil
		}
		m, err := r.Read(buf[n:])
		n += m
		if errors.Is(err, io.EOF) || (err != nil && n > 0) {
			return n, nil // another error comes again
		}
		if err != nil {
			return 0, err
		}
	}
}

// pread reads at offset until buf is full or the file ends.
func pread(fd int, buf []byte, offset int64) (int, error) {
	for {
		n, err := unix.Pread(fd, buf, offset)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return max(n, 0), err
	}
}
