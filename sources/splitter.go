package sources

import (
	"bytes"
	"iter"
	"slices"
	"strings"
	"unsafe"
)

// chunkBytes is what one read asks for. The lines of one chunk share its memory; a
// chunk never makes a batch of more than MaxBatchBytes.
const chunkBytes = 256 << 10

// Block is a run of lines, most of them unsplit: of most lines nothing is needed
// but to have them searched and counted.
type Block struct {
	// Lines are lines that do not stand in the log as they are: taken out of a
	// container's frames, read in two parts, without a newline, or too long.
	Lines []Line
	// Text is what follows Lines: whole lines, each with its newline, none longer
	// than MaxLineBytes; see SplitLine.
	Text string
}

// SplitLine makes a Line of a line of a Text, its newline taken off.
func SplitLine(text string) Line { return Line{Text: strings.TrimSuffix(text, "\r")} }

// all returns the lines of the Block, in its memory.
func (b Block) all() []Line {
	lines := make([]Line, 0, len(b.Lines)+strings.Count(b.Text, "\n"))
	return slices.AppendSeq(lines, allLines(b.Lines, b.Text))
}

// allLines gives lines, and then those of text.
func allLines(lines []Line, text string) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		for _, l := range lines {
			if !yield(l) {
				return
			}
		}
		for l := range strings.Lines(text) {
			if !yield(SplitLine(l[:len(l)-1])) {
				return
			}
		}
	}
}

// first is the first line of a Block that has one.
func (b Block) first() Line {
	if len(b.Lines) > 0 {
		return b.Lines[0]
	}
	text, _, _ := strings.Cut(b.Text, "\n")
	return SplitLine(text)
}

// splitter cuts a stream of bytes into lines. It keeps at most MaxLineBytes of
// a line that has begun and not ended.
type splitter struct {
	// begun is the beginning of the line whose newline has not come yet, at
	// most MaxLineBytes of it.
	begun []byte
	// length is that line's length so far, with what was thrown away.
	length int64
	// broken marks that line Cut however it ends: something between its
	// beginning and its end may be missing.
	broken bool
	// discarded counts bytes thrown away since the splitter was made.
	discarded uint64
}

// next returns the first lines that chunk completes, and how many bytes of chunk
// they took; 0 when it completes none, and is for begin. Text is in chunk's memory:
// copying it makes a dry run of a sparse log take 1.3 times the CPU.
func (s *splitter) next(chunk []byte) (b Block, n int) {
	whole := 0
	if s.length == 0 && !s.broken {
		whole = wholeLines(chunk)
	}
	if whole == 0 { // the first line has begun before, or is too long
		if n = bytes.IndexByte(chunk, '\n') + 1; n == 0 {
			return Block{}, 0
		}
		s.begin(chunk[:n-1])
		b.Lines = []Line{s.end()}
		whole = wholeLines(chunk[n:])
	}
	if whole > 0 {
		b.Text = unsafe.String(&chunk[n], whole)
	}
	return b, n + whole
}

// wholeLines returns the length of the lines at the beginning of chunk that are
// complete and not too long, up to the first one that is not.
func wholeLines(chunk []byte) (n int) {
	for len(chunk)-n > MaxLineBytes {
		i := bytes.LastIndexByte(chunk[n:n+MaxLineBytes+1], '\n')
		if i < 0 {
			return n
		}
		n += i + 1
	}
	return n + bytes.LastIndexByte(chunk[n:], '\n') + 1
}

// begin keeps rest, which has no newline, as (more of) the line that has begun.
func (s *splitter) begin(rest []byte) {
	s.length += int64(len(rest))
	keep := min(len(rest), MaxLineBytes-len(s.begun))
	s.discarded += uint64(len(rest) - keep)
	s.begun = append(s.begun, rest[:keep]...)
}

// end ends the line that has begun.
func (s *splitter) end() Line {
	l := SplitLine(string(s.begun))
	l.Head = !s.broken && s.length > int64(len(s.begun))
	l.Cut = s.broken || l.Head
	s.begun, s.length, s.broken = s.begun[:0], 0, false
	return l
}

// rest returns the line that has begun as a line, for a stream that has ended.
func (s *splitter) rest() (Line, bool) {
	if s.length == 0 {
		return Line{}, false
	}
	return s.end(), true
}
