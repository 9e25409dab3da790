package sources

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mapBytes is how much of a file is mapped at a time: with less, mapping costs
// more, and more gains nothing. Two windows are there at once, because the
// Block given last may still be looked at.
const mapBytes = 4 << 20

// mapped gives the lines of a regular file where they are, in the page cache:
// copying them out of it is half of what reading a log takes in which little
// is found. What it can't give is left to blocks: what the file has gained since
// it was opened, a line longer than a window, a container's frames.
type mapped struct {
	file *os.File
	size int64 // of the file when it was opened
	done int64 // up to here the lines are given
	// window is mapped now, before it was spare.
	window, spare []byte
}

// ErrTruncated is the error of a file that became shorter while it was read.
var ErrTruncated = errors.New("it was truncated while it was read; what it holds now can be read again")

// newMapped maps the first window of f. It returns nil for what can't be
// mapped, as pipes, and for what blocks must read.
func newMapped(f *os.File) *mapped {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil
	}
	m := &mapped{file: f, size: info.Size()}
	text, err := m.next()
	if err != nil {
		return nil
	}
	if first, _, ok := bytes.Cut(text, []byte("\n")); !ok || !plain(text[:min(len(text), kindBytes)]) || framed(SplitLine(string(first))) {
		m.close()
		return nil
	}
	return m
}

// run yields the lines that were complete when the file was opened; false when
// that was an error, or no more are wanted. The windows stay until close.
func (m *mapped) run(yield func(Block, error) bool) bool {
	text := m.window
	for {
		var s splitter
		block, n := s.next(text)
		if n == 0 {
			return true
		}
		m.done += int64(n)
		if !yield(block, nil) {
			return false
		}
		var err error // what is left of the window may be gone now
		if text, err = m.next(); err != nil {
			yield(Block{}, err)
			return false
		}
	}
}

// next maps the window in which the next line begins, instead of the one before
// the last, and gives what it holds from there on. A page of which a part was cut off
// has zeros there, and those after it can't be looked at.
func (m *mapped) next() ([]byte, error) {
	info, err := m.file.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Size() < m.size:
		return nil, ErrTruncated
	case m.done == m.size:
		return nil, nil
	}
	from := m.done &^ int64(os.Getpagesize()-1)
	window, err := unix.Mmap(int(m.file.Fd()), from, int(min(mapBytes, m.size-from)), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping it: %w", err)
	}
	if m.spare != nil {
		unix.Munmap(m.spare)
	}
	m.window, m.spare = window, m.window
	return window[m.done-from:], nil
}

func (m *mapped) close() {
	for _, w := range [...][]byte{m.window, m.spare} {
		if w != nil {
			unix.Munmap(w)
		}
	}
}
