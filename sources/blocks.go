package sources

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime/debug"
	"strings"
	"unsafe"
)

// Block is a run of a file's lines, unsplit: a dry run needs most lines only to
// have searched and counted them.
type Block struct {
	// Text is whole lines, each with its newline; see SplitLine.
	Text string
	// Lines are lines that do not stand in the file as they are: taken out of a
	// container's frames, without a newline, or too long for a block. A block
	// has either Text or Lines.
	Lines []Line
}

// SplitLine makes a Line of a line of a Block's Text, its newline taken off. It
// is what Read would have given.
func SplitLine(text string) Line {
	var s splitter
	return s.line(text)
}

// ReadFileBlocks iterates over the same lines as ReadFile, as Blocks. A Block
// and all strings in it are valid until the next but one is asked for, so that
// one can be read while the one before is still looked at; the last Block is
// empty. If the file is truncated meanwhile that is an error, the last
// thing given, but whoever looks at a part that is gone has a fault: in the
// goroutine that iterates it is a panic, and in every other that looks at Blocks
// it must be made one too (debug.SetPanicOnFault).
func ReadFileBlocks(path string) iter.Seq2[Block, error] {
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
		readBlocks(f, func(b Block, err error) bool {
			if err != nil {
				err = fmt.Errorf("reading %s: %w", path, err)
			}
			return yield(b, err)
		})
	}
}

// readBlocks maps what can be mapped of f and reads the rest.
func readBlocks(f *os.File, yield func(Block, error) bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	m := newMapped(f)
	if m != nil {
		defer m.close()
		if !m.run(yield) {
			return
		}
		if _, err := f.Seek(m.done, io.SeekStart); err != nil {
			yield(Block{}, err)
			return
		}
	}
	var r io.Reader = f
	if m == nil {
		var err error
		if r, err = unpack(f); err != nil {
			yield(Block{}, err)
			return
		}
	}
	b := newBlocks(r)
	b.frames = m == nil
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

// blocks cuts a stream into Blocks.
type blocks struct {
	r   io.Reader
	buf []byte
	n   int // bytes of buf in use
	// spare held the block before, which may still be looked at.
	spare []byte
	// long is the line that did not fit into buf, while it lasts.
	long splitter
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
		n, err := b.r.Read(b.buf[b.n:])
		b.n += n
		if n > 0 && !b.give(yield) {
			return false
		}
		if err == nil {
			continue
		}
		if line, ok := b.rest(); ok && !yield(Block{Lines: b.unframe([]Line{line})}, nil) {
			return false
		}
		if !errors.Is(err, io.EOF) {
			yield(Block{}, err)
			return false
		}
		return true
	}
}

// give yields the lines that are complete and keeps what follows them.
func (b *blocks) give(yield func(Block, error) bool) bool {
	data := b.buf[:b.n]
	if b.long.length > 0 {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			b.long.begin(data)
			b.n = 0
			return true
		}
		text, _ := b.long.join(data[:end])
		if !yield(Block{Lines: b.unframe([]Line{b.long.line(text)})}, nil) {
			return false
		}
		data = data[end+1:]
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if whole > 0 && !b.giveText(data[:whole], yield) {
		return false
	}
	if whole > 0 {
		b.buf, b.spare = b.spare, b.buf
	}
	b.n = copy(b.buf, data[whole:])
	if b.n == len(b.buf) {
		b.long.begin(b.buf)
		b.n = 0
	}
	return true
}

// giveText yields text, which is whole lines.
func (b *blocks) giveText(text []byte, yield func(Block, error) bool) bool {
	if b.frames {
		b.frames = false
		first, _, _ := bytes.Cut(text, []byte("\n"))
		if framed(SplitLine(string(first))) {
			b.split = &pieces{}
		}
	}
	if b.split == nil {
		// The lines are read where they are: copying each block into a string
		// of its own makes a dry run of a sparse log take 1.3 times the CPU.
		return yield(Block{Text: unsafe.String(&text[0], len(text))}, nil)
	}
	var lines []Line
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		lines = append(lines, SplitLine(line))
	}
	return yield(Block{Lines: b.unframe(lines)}, nil)
}

// rest is the line that the stream ended in.
func (b *blocks) rest() (Line, bool) {
	if b.n > 0 {
		b.long.begin(b.buf[:b.n])
	}
	return b.long.rest()
}

// unframe takes the lines out of a container's frames, if they are in such.
func (b *blocks) unframe(lines []Line) []Line {
	if b.frames && len(lines) > 0 {
		b.frames = false
		if framed(lines[0]) {
			b.split = &pieces{}
		}
	}
	b.split.unwrapAll(lines)
	return lines
}
