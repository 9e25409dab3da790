package sources

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime/debug"
)

// ReadFileBlocks iterates over the same lines as ReadFile, as Blocks. A Block
// and all strings in it are valid until the next but one is asked for, so that
// one can be read while the one before is still looked at; the last Block is
// empty. If the file is truncated meanwhile that is an error, the last
// thing given, but whoever looks at a part that is gone has a fault: in the
// goroutine that iterates it is a panic, and in every other that looks at Blocks
// it must be made one too (debug.SetPanicOnFault).
func ReadFileBlocks(path string) iter.Seq2[Block, error] {
	return readFile(path, readMapped)
}

// readFile has the file at path read, and its errors say which it is.
func readFile(path string, read func(f *os.File, yield func(Block, error) bool)) iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Block{}, explainOpen(path, err))
			return
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			yield(Block{}, fmt.Errorf("%s is a directory: name the files in it, such as %s/*.log", path, path))
			return
		}
		read(f, naming(path, yield))
	}
}

// naming has yield get errors that say what was read.
func naming(what string, yield func(Block, error) bool) func(Block, error) bool {
	return func(b Block, err error) bool {
		if err != nil {
			err = fmt.Errorf("reading %s: %w", what, err)
		}
		return yield(b, err)
	}
}

// readMapped maps what can be mapped of f and reads the rest.
func readMapped(f *os.File, yield func(Block, error) bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	m := newMapped(f)
	if m == nil {
		readUnpacked(f, yield)
		return
	}
	defer m.close()
	if !m.run(yield) {
		return
	}
	if _, err := f.Seek(m.done, io.SeekStart); err != nil {
		yield(Block{}, err)
		return
	}
	if newBlocks(f).run(yield) {
		yield(Block{}, nil)
	}
}

// readUnpacked reads a log that may be compressed and have a container's frames.
func readUnpacked(f io.Reader, yield func(Block, error) bool) {
	r, err := unpack(f)
	if err != nil {
		yield(Block{}, err)
		return
	}
	b := newBlocks(r)
	b.frames = true
	if b.run(yield) {
		yield(Block{}, nil)
	}
}

// ReadBlocks iterates over the same lines as Read, as Blocks.
func ReadBlocks(r io.Reader) iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		newBlocks(r).run(yield)
	}
}

// ReadLogBlocks iterates over the same lines as ReadLog, as Blocks.
func ReadLogBlocks(name string, r io.Reader) iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) { readUnpacked(r, naming(name, yield)) }
}

// blocks cuts a stream into Blocks.
type blocks struct {
	r   io.Reader
	buf []byte
	// spare held the block before, which may still be looked at.
	spare []byte
	lines splitter
	// frames is set while the first line may prove to have a container's frame.
	frames bool
	split  *pieces
}

func newBlocks(r io.Reader) *blocks {
	return &blocks{r: r, buf: make([]byte, chunkBytes), spare: make([]byte, chunkBytes)}
}

// run yields the lines to the end of the stream; false when that was an error,
// or no more are wanted.
func (b *blocks) run(yield func(Block, error) bool) bool {
	for {
		n, err := b.r.Read(b.buf)
		if !b.give(b.buf[:n], yield) {
			return false
		}
		if err == nil {
			continue
		}
		if line, ok := b.lines.rest(); ok && !yield(b.unframe(Block{Lines: []Line{line}}), nil) {
			return false
		}
		if !errors.Is(err, io.EOF) {
			yield(Block{}, err)
			return false
		}
		return true
	}
}

// give yields the lines that data, which is in buf, completes.
func (b *blocks) give(data []byte, yield func(Block, error) bool) bool {
	given := false
	for {
		block, n := b.lines.next(data)
		if n == 0 {
			break
		}
		if !yield(b.unframe(block), nil) {
			return false
		}
		given, data = true, data[n:]
	}
	b.lines.begin(data)
	if given {
		b.buf, b.spare = b.spare, b.buf
	}
	return true
}

// unframe takes the lines out of a container's frames, if they are in such.
func (b *blocks) unframe(block Block) Block {
	if b.frames {
		b.frames = false
		if framed(block.first()) {
			b.split = &pieces{}
		}
	}
	return b.split.unwrapAll(block)
}
