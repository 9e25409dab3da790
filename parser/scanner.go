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
	s.ParseWhole(l, res)
}

// ParseWhole is Parser.Parse, all of it, and learns for Quick.
func (s *Scanner) ParseWhole(l Line, res *Result) {
	s.p.Parse(l, res)
	s.shapes.learn(s.p, &l, res)
	if res.Reject == Unrecognised {
		s.dense = false
	}
}

// Status is that of the line that Quick read last.
func (s *Scanner) Status() Status { return s.shapes.last.status }

// Quick is Parse for a line without a carrier's word on it that differs from
// an earlier one in nothing but what such lines differ in; false for any other,
// which is left to Parse. It writes ev only if the line is an event.
func (s *Scanner) Quick(text string, ev *Event) (Reject, bool) { return s.shapes.quick(s.p, text, ev) }

// Lines iterates over text, which is lines with their newlines: it gives each
// line that Parse must see, without its newline and with 0, and each run of
// lines that Parse would find Unrecognised after one look, with their number.
// The lines must be parsed as they come.
func (s *Scanner) Lines(text string) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for text != "" {
			done, ok := 0, false
			switch {
			case s.dense:
				done = strings.IndexByte(text, '\n')
				ok = yield(text[:done], 0)
				done++
			case s.p.filter.teddy != nil && len(text) >= teddyMin:
				done, ok = s.scan(text, yield)
			default:
				done, ok = s.window(text, yield)
			}
			if !ok {
				return
			}
			text = text[done:]
		}
	}
}

// denseRun is how many hits there must be one after the other for the text to be
// called dense.
const denseRun = 8

// noNewline is for how many bytes there must be no newline for the line to be
// measured: one of alwaysRead is never missed by scans of at most teddyReach
// and a step, of which the first has its beginning and the last its end.
const noNewline = alwaysRead - 2*(teddyReach+32) - 1024

// scan gives the lines of text by teddy, until it ends or is dense, and says how
// many bytes that were.
func (s *Scanner) scan(text string, yield func(string, int) bool) (done int, ok bool) {
	t := s.p.filter.teddy
	from, lines := 0, 0 // lines are the newlines between done and from
	long := noNewline   // where a line begins to be long
	for row := 0; row < denseRun; {
		at, newlines, found := teddyScan(&t.masks, text, from)
		lines += newlines
		if newlines > 0 {
			long = at + noNewline
		}
		hit := found && t.needleAt(text, at)
		if hit || at >= long {
			begin, end := lineStart(text, done, at), at+strings.IndexByte(text[at:], '\n')
			if hit || end-begin >= alwaysRead {
				row++
				if begin > done {
					row = 0
					if !yield(text[done:begin], lines) {
						return 0, false
					}
				}
				if !yield(text[begin:end], 0) {
					return 0, false
				}
				from, done, lines = end+1, end+1, 0
				if long = done + noNewline; len(text)-done < teddyMin {
					return done, true
				}
				continue
			}
			long = end + noNewline
		}
		switch {
		case found:
			from = at + 1 // a fingerprint has no newline
		case at > len(text)-fingerprintLen:
			lines += strings.Count(text[at:], "\n")
			return len(text), yield(text[done:], lines)
		default:
			from = at
		}
	}
	s.dense = true
	return done, true
}

// window gives the lines of the beginning of text by the table, and says how
// many bytes that were.
func (s *Scanner) window(text string, yield func(string, int) bool) (done int, ok bool) {
	bounds := searchBounds(text)
	whole := bounds[lanes]
	if whole == 0 { // a long line
		whole = strings.IndexByte(text, '\n') + 1
		return whole, yield(text[:whole-1], 0)
	}
	s.p.filter.search(text, bounds, &s.hits)
	skip := func(to int) bool {
		run := text[done:to]
		return run == "" || yield(run, strings.Count(run, "\n"))
	}
	found := 0
	for i := range s.hits {
		for _, h := range s.hits[i] {
			if !skip(h.from) || !yield(text[h.from:h.to], 0) {
				return 0, false
			}
			found++
			done = h.to + 1
		}
	}
	s.dense = found > whole/denseLine
	return whole, skip(whole)
}

// denseLine is for how many bytes of a window there must be a hit for the text to be
// called dense; canonical lines have 200 to 350.
const denseLine = 512

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
