package agent

import (
	"time"

	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// judgeAtOnce is how many events are judged in one go. Then the firewall gets the
// bans they brought, and requests that only look are answered.
const judgeAtOnce = 64

// batchRead is a batch with the events of its lines.
type batchRead struct {
	sources.Batch
	src    *source
	events []parser.Event
}

// batch reads the lines of a batch, and judges them.
func (e *engine) batch(b sources.Batch) {
	read := batchRead{Batch: b, src: e.source(b.Source), events: e.events[:0]}
	defer b.Release()
	if read.src == nil { // removed by a reload while its last batch was on the way
		return
	}
	read.read(e.now())
	e.judge(&read)
	clear(read.events) // they share the memory of the batch
	e.events = read.events
}

// read makes events of the lines.
func (b *batchRead) read(now time.Time) {
	r := b.src.reader(b.Stream)
	for i := range b.Lines {
		b.line(r, &b.Lines[i], now)
	}
	for text, skipped := range r.scanner.Lines(b.Text) {
		if skipped > 0 {
			b.src.skip(r, text, skipped, now)
			continue
		}
		l := sources.SplitLine(text)
		b.line(r, &l, now)
	}
	b.src.noteRisk(r)
}

// line reads a line, and keeps its event if it is one.
func (b *batchRead) line(r *reader, l *sources.Line, now time.Time) {
	src := b.src
	src.lastLine = now
	b.events = append(b.events, parser.Event{})
	ev := &b.events[len(b.events)-1]
	if !l.Cut {
		if accepted, _ := r.quick(l.Text, now, ev); accepted {
			src.flow.noteQuick(l, ev, r.scanner.Status(), now)
			src.lastEvent = now
			return
		}
	}
	read, ok := r.read(*l, now)
	src.flow.note(l, &r.result, now)
	if !ok {
		b.events = b.events[:len(b.events)-1]
		return
	}
	*ev = *read
	src.lastEvent = now
}

// skip counts lines, each with its newline, that hold nothing a rule looks for.
func (s *source) skip(r *reader, text string, lines int, now time.Time) {
	s.lastLine = now
	r.skip(text, lines, now)
	s.flow.skip(text, lines, now)
}

// judge judges a batch that was read, and only then takes its cursor over.
func (e *engine) judge(b *batchRead) {
	b.src.looked = true
	e.keepTime(e.now())
	e.leaveGlance()
	for events := b.events; len(events) > 0; {
		n := min(judgeAtOnce, len(events))
		e.enforce(e.jails.ObserveAll(events[:n]), true)
		events = events[n:]
		e.answer()
		e.leaveGlance()
	}
	if b.Cursor != "" {
		if e.cursors[b.Source] == "" {
			// Where a source begins must be known before its first line comes,
			// or a daemon killed now would not go back to that line.
			e.checkpointDue = true
		}
		e.cursors[b.Source] = b.Cursor
	}
}
