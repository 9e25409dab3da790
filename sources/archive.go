package sources

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

// gzipFile is a gzip stream and the file it comes from.
type gzipFile struct {
	io.Reader
	f *os.File
}

func (z gzipFile) Close() error { return z.f.Close() }

// openArchive opens a gzip file at its beginning.
func openArchive(path string) (*generation, error) {
	fd, _, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	z, err := gzip.NewReader(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	head := make([]byte, markBytes)
	n, err := readUpTo(z, head)
	if err != nil && n == 0 {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	head = head[:n]
	g := &generation{
		fd:      -1,
		archive: gzipFile{io.MultiReader(bytes.NewReader(head), z), f},
	}
	if info, err := f.Stat(); err == nil {
		g.id = idOf(info)
	}
	m := markOf(g.id.ino, head)
	g.holds.Store(&m)
	g.dirty.Store(true)
	return g, nil
}

var errOtherContent = errors.New("not the file that was read")

// skipTo reads the archive up to p.at and checks that it is what was read then.
func (g *generation) skipTo(p place) error {
	buf := make([]byte, chunkBytes)
	for g.pos < p.at {
		n, err := readUpTo(g.archive, buf[:min(int64(len(buf)), p.at-g.pos)])
		if err != nil || n == 0 {
			return errOtherContent
		}
		g.advance(buf[:n])
	}
	if fingerprint(g.recent) != p.tail {
		return errOtherContent
	}
	g.passed(p.at, g.recent)
	return nil
}
