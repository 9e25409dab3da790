package sources

import (
	"bytes"
	"iter"
	"strings"
)

// chunkBytes is what one read asks for. The lines of one chunk share one
// string; a chunk never makes a batch of more than MaxBatchBytes.
const chunkBytes = 256 << 10

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

// split iterates over the lines that chunk completes, at most MaxBatchLines at
// a time, each group with the index in chunk after its last newline. What
// follows the last newline is kept for the next call.
func (s *splitter) split(chunk []byte) iter.Seq2[[]Line, int] {
	return func(yield func([]Line, int) bool) {
		start := 0
		for {
			lines, n := s.group(chunk[start:])
			if len(lines) == 0 {
				break
			}
			start += n
			if !yield(lines, start) {
				return
			}
		}
		s.begin(chunk[start:])
	}
}

// group returns the first lines that chunk completes and how many bytes of
// chunk they took.
func (s *splitter) group(chunk []byte) ([]Line, int) {
	count, end := 0, 0
	for count < MaxBatchLines {
		i := bytes.IndexByte(chunk[end:], '\n')
		if i < 0 {
			break
		}
		end += i + 1
		count++
	}
	if count == 0 {
		return nil, 0
	}
	text, first := s.join(chunk[:end])
	lines := make([]Line, 0, count)
	for len(lines) < count {
		i := strings.IndexByte(text[first:], '\n') + first
		lines = append(lines, s.line(text[:i]))
		text, first = text[i+1:], 0
	}
	return lines, end
}

// join returns the line that has begun and the rest of it and all lines after
// it as one string, and the index before which no newline is to be looked for.
func (s *splitter) join(chunk []byte) (string, int) {
	if s.length == 0 {
		return string(chunk), 0
	}
	var b strings.Builder
	b.Grow(len(s.begun) + len(chunk))
	b.Write(s.begun)
	b.Write(chunk)
	return b.String(), len(s.begun)
}

// line makes a Line of text, the first of which ends the line that has begun.
func (s *splitter) line(text string) Line {
	l := Line{Text: text, Cut: s.broken || s.length > int64(len(s.begun))}
	if len(text) > MaxLineBytes {
		s.discarded += uint64(len(text) - MaxLineBytes)
		l = Line{Text: text[:MaxLineBytes], Cut: true}
	}
	l.Text = strings.TrimSuffix(l.Text, "\r")
	s.begun, s.length, s.broken = s.begun[:0], 0, false
	return l
}

// begin keeps rest, which has no newline, as (more of) the line that has begun.
func (s *splitter) begin(rest []byte) {
	s.length += int64(len(rest))
	keep := min(len(rest), MaxLineBytes-len(s.begun))
	s.discarded += uint64(len(rest) - keep)
	s.begun = append(s.begun, rest[:keep]...)
}

// rest returns the line that has begun as a line, for a stream that has ended.
func (s *splitter) rest() (Line, bool) {
	if s.length == 0 {
		return Line{}, false
	}
	return s.line(string(s.begun)), true
}
