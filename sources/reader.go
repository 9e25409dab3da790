package sources

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// Reader gives the lines of a stream that ends: standard input.
type Reader struct {
	meter
	name string
	r    io.Reader
}

var (
	_ Source   = (*Reader)(nil)
	_ Reporter = (*Reader)(nil)
)

// NewReader returns a source that reads r to its end. A last line without a
// newline is a line. Such a source can't resume: its batches have no cursor.
//
// A Read of r that blocks can't be interrupted: when ctx ends, Run returns at
// once and leaves the goroutine that waits in Read behind until r gives
// something or ends.
func NewReader(name string, r io.Reader) *Reader {
	return &Reader{name: name, r: r, meter: meter{s: Stats{Lag: -1, Following: []string{name}}}}
}

// String is the name the reader was given.
func (r *Reader) String() string { return r.name }

// Run sends what r holds to out; nil at its end.
func (r *Reader) Run(ctx context.Context, out chan<- Batch) error {
	done := make(chan error, 1)
	go func() { done <- r.pump(ctx, out) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Reader) pump(ctx context.Context, out chan<- Batch) error {
	for b, err := range Read(r.name, r.r) {
		if err != nil {
			return err
		}
		r.sending(b)
		select {
		case out <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ReadFile iterates over the lines of a whole file, as a dry run wants them:
// no following, no cursor. A gzip file is recognised by its first bytes, not
// by its name, and unpacked. If its first line has the frame of a container's
// log (see NewContainer), the frames are taken off. The error, if any, is the
// last thing given; what could be read before it was given too.
func ReadFile(path string) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Batch{}, explainOpen(path, err))
			return
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			yield(Batch{}, fmt.Errorf("%s is a directory: name the files in it, such as %s/*.log", path, path))
			return
		}
		r, err := unpack(f)
		if err != nil {
			yield(Batch{}, fmt.Errorf("reading %s: %w", path, err))
			return
		}
		var split *pieces
		first := true
		for b, err := range Read(path, r) {
			if err != nil {
				err = fmt.Errorf("reading %s: %w", path, err)
			}
			if first && len(b.Lines) > 0 && framed(b.Lines[0]) {
				split = &pieces{}
			}
			first = false
			split.unwrapAll(b.Lines)
			if !yield(b, err) {
				return
			}
		}
	}
}

// unpack returns the text in r, whether it is compressed by gzip or not.
func unpack(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	begin, err := br.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !isGzip(begin) {
		return br, nil
	}
	return gzip.NewReader(br)
}

// isGzip tells whether a file that begins so is compressed by gzip (RFC 1952,
// 2.3.1: ID1, ID2).
func isGzip(begin []byte) bool { return bytes.HasPrefix(begin, []byte{0x1f, 0x8b}) }

// Read iterates over the lines of r until its end, batch by batch: what one
// Read gave is one batch (more than one when it exceeds MaxBatchLines). Source
// and Stream of the batches are name.
func Read(name string, r io.Reader) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		var s splitter
		buf := make([]byte, chunkBytes)
		for {
			n, err := r.Read(buf)
			for lines, _ := range s.split(buf[:n]) {
				if !yield(Batch{Source: name, Stream: name, Lines: lines}, nil) {
					return
				}
			}
			if err == nil {
				continue
			}
			if line, ok := s.rest(); ok {
				if !yield(Batch{Source: name, Stream: name, Lines: []Line{line}}, nil) {
					return
				}
			}
			if !errors.Is(err, io.EOF) {
				yield(Batch{}, err)
			}
			return
		}
	}
}
