package parser

import (
	"iter"
	"strings"
)

// Scanner reads the lines of one stream like its Parser, for whoever has whole
// files to read and wants nothing but events. It is not safe for concurrent use.
type Scanner struct {
	p *Parser
	// hits are the lines found in each part of the text searched last.
	hits [lanes][]span
	// dense is set while most lines are hits, so that searching would only read
	// them twice.
	dense  bool
	shapes shapes
}

// span is a line's place in a text, without its newline.
type span struct{ from, to int }

// NewScanner returns a Scanner that reads as p does.
func NewScanner(p *Parser) *Scanner { return &Scanner{p: p} }

// Parse is Parser.Parse, but of res only Event, Reject, Risk and Continues are
// meant to be read: the rest is not always written.
func (s *Scanner) Parse(l Line, res *Result) {
	if s.shapes.read(s.p, &l, res) {
		return
	}
	s.p.Parse(l, res)
	s.shapes.learn(s.p, &l, res)
	if res.Reject == Unrecognised {
		s.dense = false
	}
}

// Lines iterates over text, which is lines with their newlines: it gives each
// line that Parse must see, without its newline and with 0, and each run of
// lines that Parse would find Unrecognised after one look, with their number.
// The lines must be parsed as they come.
func (s *Scanner) Lines(text string) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for text != "" {
			var bounds [lanes + 1]int
			if !s.dense {
				bounds = searchBounds(text)
			}
			window := bounds[lanes]
			if window == 0 {
				var line string
				if line, text, _ = strings.Cut(text, "\n"); !yield(line, 0) {
					return
				}
				continue
			}
			found, ok := s.window(text, bounds, yield)
			if !ok {
				return
			}
			s.dense = found > window/denseLine
			text = text[window:]
		}
	}
}

// denseLine is for how many bytes of text there must be a hit for it to be
// called dense; canonical lines have 200 to 350.
const denseLine = 512

// window gives the lines of the part of text within bounds, and says how many
// of them were hits.
func (s *Scanner) window(text string, bounds [lanes + 1]int, yield func(string, int) bool) (found int, ok bool) {
	s.p.filter.search(text, bounds, &s.hits)
	done := 0
	skip := func(to int) bool {
		run := text[done:to]
		return run == "" || yield(run, strings.Count(run, "\n"))
	}
	for i := range s.hits {
		for _, h := range s.hits[i] {
			if !skip(h.from) || !yield(text[h.from:h.to], 0) {
				return found, false
			}
			found++
			done = h.to + 1
		}
	}
	return found, skip(bounds[lanes])
}

// searchBounds cuts the beginning of text into parts of whole lines in which
// no line is as long as alwaysRead; they are empty when the first line is.
func searchBounds(text string) (bounds [lanes + 1]int) {
	for i := range lanes {
		from := bounds[i]
		to := min(from+alwaysRead-1, len(text))
		bounds[i+1] = lineStart(text, from, to)
	}
	return bounds
}
