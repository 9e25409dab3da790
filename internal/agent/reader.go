package agent

import (
	"time"

	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// maxAhead is how far a line's time may lie ahead of the wall clock before it
// is read as now: a node's clock may run a little fast, but nobody may push
// the windows into the future.
const maxAhead = time.Minute

// Tally counts what became of lines.
type Tally struct {
	Lines, Events int64
	// Rejected counts by parser.Reject; Unrecognised lines are ordinary lines.
	Rejected [parser.RejectCount]int64
}

// add sums two tallies.
func (t *Tally) add(o *Tally) {
	t.Lines += o.Lines
	t.Events += o.Events
	for i, n := range o.Rejected {
		t.Rejected[i] += n
	}
}

// ByReason is the rejected lines by their reason's name, without the reasons
// that never happened and without ordinary lines.
func (t *Tally) ByReason() map[string]int64 {
	out := map[string]int64{}
	for r, n := range t.Rejected {
		if reason := parser.Reject(r); n > 0 && reason != parser.Accepted && reason != parser.Unrecognised {
			out[reason.String()] = n
		}
	}
	return out
}

// reader reads one stream: it keeps what the parser, which has no memory,
// needs to be told.
type reader struct {
	parser *parser.Parser
	// scanner reads what it can at one look; nil when explaining. A replay asks
	// for nothing but events, and has it read all lines.
	scanner *parser.Scanner
	// last is the latest time known on the stream: a line without a time
	// inherits it, and a stamp without a year is completed by it.
	last time.Time
	// pieces are the lines that are unfinished.
	pieces parser.Pieces
	// risks are the holes whose witnesses passed: from then on lines that could
	// be forged through them are refused, unless the operator trusts the source.
	risks parser.Risks
	trust bool
	// readAt is when the last line was read, live, and witnessed when the last
	// witness was, or the first line of a stream whose holes were saved.
	readAt, witnessed time.Time
	// explain reads ordinary lines too, for people.
	explain bool
	// unreadable counts, for a check, the lines that hold a canonical record's
	// name and can't be read, by what the parser says of them, and tabsLost those
	// whose tabs were replaced; else it is nil.
	unreadable map[string]int64
	tabsLost   int64
	result     parser.Result
	tally      Tally
}

// read gives the event of a line, if it is one. now is the wall clock, or zero
// in a replay, which has none.
func (r *reader) read(l sources.Line, now time.Time) (*parser.Event, bool) {
	ref := r.last
	if ref.IsZero() {
		ref = now
	}
	line := parser.Line{Text: l.Text, Time: l.Time, Ref: ref, Cut: l.Cut, Head: l.Head}
	if !r.trust {
		line.Distrust = r.risks
	}
	switch {
	case r.explain:
		r.parser.Explain(line, &r.result)
	case r.scanner != nil && now.IsZero():
		r.scanner.Parse(line, &r.result)
	case r.scanner != nil:
		r.scanner.ParseWhole(line, &r.result)
	default:
		r.parser.Parse(line, &r.result)
	}
	r.pieces.Settle(&line, &r.result)
	r.risks |= r.result.Risk
	r.saw(now)
	if r.result.Risk != 0 {
		r.witnessed = now
	}
	r.tally.Lines++
	r.tally.Rejected[r.result.Reject]++
	if r.unreadable != nil {
		r.noteUnreadable()
	}
	ev := &r.result.Event
	if r.result.Reject != parser.Accepted {
		return nil, false
	}
	r.tally.Events++
	switch {
	case !ev.Time.IsZero():
	case !r.last.IsZero():
		ev.Time = r.last
	default:
		ev.Time = now
	}
	if !now.IsZero() && ev.Time.After(now.Add(maxAhead)) {
		ev.Time = now
	}
	r.last = ev.Time
	return ev, true
}

func (r *reader) noteUnreadable() {
	if why := r.result.Reject; why != parser.Forged && why != parser.Malformed {
		return
	}
	r.unreadable[r.result.Reject.String()+", "+r.result.Detail]++
	if r.result.TabsLost {
		r.tabsLost++
	}
}

// quick reads a line into ev if it differs from one before it in nothing but its
// time, peer, address and error, as most of a flood do: that is a fifth of the work
// of reading it whole. known is false for any other, which is left to read, and
// live for any that is no event: it may say something of the node. accepted tells
// whether the line is an event, ev is written only then.
func (r *reader) quick(text string, now time.Time, ev *parser.Event) (accepted, known bool) {
	if r.risks != 0 && !r.trust || r.pieces.Open() {
		return false, false
	}
	reject, known := r.scanner.Quick(text, ev)
	if !known || reject != parser.Accepted && !now.IsZero() {
		return false, false
	}
	r.tally.Lines++
	r.tally.Rejected[reject]++
	if reject != parser.Accepted {
		return false, true
	}
	r.tally.Events++
	if !now.IsZero() && ev.Time.After(now.Add(maxAhead)) {
		ev.Time = now
	}
	r.last = ev.Time
	r.saw(now)
	return true, true
}

// saw notes that lines without a risk were read.
func (r *reader) saw(now time.Time) {
	r.readAt = now
	if r.witnessed.IsZero() {
		r.witnessed = now
	}
}

// skip counts lines, each with its newline, that the scanner passed over.
func (r *reader) skip(text string, lines int, now time.Time) {
	cut := int64(r.pieces.Skip(text))
	r.tally.Lines += int64(lines)
	r.tally.Rejected[parser.Cut] += cut
	r.tally.Rejected[parser.Unrecognised] += int64(lines) - cut
	r.saw(now)
}
