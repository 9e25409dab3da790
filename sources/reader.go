package sources

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
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
// by its name, and unpacked; what else is packed or no UTF-8 is an error that
// says what it is. If its first line has the frame of a container's log (see
// NewContainer), the frames are taken off. The error, if any, is the last thing
// given; what could be read before it was given too.
func ReadFile(path string) iter.Seq2[Batch, error] {
	return batches(path, readFile(path, func(f *os.File, yield func(Block, error) bool) { readUnpacked(f, yield) }))
}

// ReadLog is ReadFile of a log that comes as a stream, such as one piped into a
// dry run.
func ReadLog(name string, r io.Reader) iter.Seq2[Batch, error] {
	return batches(name, ReadLogBlocks(name, r))
}

// unpack returns the text in r, whether it is compressed by gzip or not, without
// a byte order mark. It fails for what is no text.
func unpack(r io.Reader) (io.Reader, error) {
	br, begin, err := peek(r)
	if err != nil {
		return nil, err
	}
	if isGzip(begin) {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, damaged(err)
		}
		if br, begin, err = peek(unzipped{z}); err != nil {
			return nil, err
		}
	}
	if err := checkText(begin); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(begin, []byte(byteOrderMark)) {
		br.Discard(len(byteOrderMark)) // which is there
	}
	return br, nil
}

// unzipped is the text in a gzip stream, as far as that can be read.
type unzipped struct{ z *gzip.Reader }

func (u unzipped) Read(p []byte) (int, error) {
	n, err := u.z.Read(p)
	return n, damaged(err)
}

// damaged says of an error of gzip's form what it means: a compression that was broken
// off by a full disk or a crash, or is not finished yet.
func damaged(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &corrupt) {
		return fmt.Errorf("it is compressed by gzip, and damaged or not whole: %w", err)
	}
	return err
}

// peek looks at the beginning of r, of which it waits for no more than two bytes: a
// pipe may bring the next line much later.
func peek(r io.Reader) (br *bufio.Reader, begin []byte, err error) {
	br = bufio.NewReaderSize(r, 64<<10)
	if _, err := br.Peek(2); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	begin, err = br.Peek(min(br.Buffered(), kindBytes))
	return br, begin, err
}

// isGzip tells whether a file that begins so is compressed by gzip (RFC 1952,
// 2.3.1: ID1, ID2).
func isGzip(begin []byte) bool { return bytes.HasPrefix(begin, []byte{0x1f, 0x8b}) }

// Read iterates over the lines of r until its end, batch by batch: what one
// Read gave is one batch (more than one when it exceeds MaxBatchLines). Source
// and Stream of the batches are name.
func Read(name string, r io.Reader) iter.Seq2[Batch, error] {
	return batches(name, ReadBlocks(r))
}

// batches copies Blocks into batches of lines that may be kept.
func batches(name string, blocks iter.Seq2[Block, error]) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for b, err := range blocks {
			if err != nil {
				yield(Batch{}, err)
				return
			}
			b.Text = strings.Clone(b.Text)
			for lines := range slices.Chunk(b.all(), MaxBatchLines) {
				if !yield(Batch{Source: name, Stream: name, Lines: lines}, nil) {
					return
				}
			}
		}
	}
}
