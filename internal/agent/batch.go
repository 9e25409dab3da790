package agent

import (
	"time"

	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

const (
	// judgeAtOnce is how many events are judged together; then the firewall has
	// what they brought, and those who look are answered.
	judgeAtOnce = 64
	// readBeside bounds the batches judged without a look at anything else, and
	// fewPending the decisions that wait to be saved meanwhile.
	readBeside = 16
	fewPending = 64
)

// batchRead is a batch with the events of its lines.
type batchRead struct {
	sources.Batch
	src    *source // nil when a reload has removed it meanwhile
	events []parser.Event
}

// batch judges the lines of a batch, and of those that wait behind it: each is read
// while the one before is judged, on another processor if there is one. Nothing
// waits behind a batch that comes alone, and then nobody else is woken for it.
//
// What reads beside the engine has the readers and the flow of the source for
// itself; e.rest must be called before anything else looks at them.
func (e *engine) batch(b sources.Batch) {
	now, next := &e.batchRead[0], &e.batchRead[1]
	e.take(now, b)
	now.read(e.now())
	for n := 1; ; n++ {
		more := n < readBeside && len(e.pending) < fewPending && e.readNext(next)
		e.judge(now)
		if !more {
			return
		}
		e.rest()
		now, next = next, now
	}
}

// take makes a batch ready to be read.
func (e *engine) take(to *batchRead, b sources.Batch) {
	to.Batch, to.src = b, e.source(b.Source)
}

// readNext begins to read the batch that waits, if one does.
func (e *engine) readNext(to *batchRead) bool {
	select {
	case b := <-e.batches:
		e.take(to, b)
	default:
		return false
	}
	done, now := make(chan struct{}), e.now()
	e.beside = done
	go func() {
		defer close(done)
		to.read(now)
	}()
	return true
}

// rest waits until nothing is read beside the engine.
func (e *engine) rest() {
	if e.beside != nil {
		<-e.beside
		e.beside = nil
	}
}

// read makes events of the lines.
func (b *batchRead) read(now time.Time) {
	if b.src == nil {
		return
	}
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
	defer b.Release()
	if b.src == nil {
		return
	}
	b.src.looked = true
	e.enforce(setBack(e.jails, e.now(), e.log))
	e.leaveGlance()
	for events := b.events; len(events) > 0; {
		n := min(judgeAtOnce, len(events))
		e.enforce(e.jails.ObserveAll(events[:n]))
		events = events[n:]
		e.answer()
		e.leaveGlance()
	}
	clear(b.events) // they share the memory of their batch
	b.events = b.events[:0]
	if b.Cursor != "" {
		if e.cursors[b.Source] == "" {
			// Where a source begins must be known before its first line comes,
			// or a daemon killed now would not go back to that line.
			e.checkpointDue = true
		}
		e.cursors[b.Source] = b.Cursor
	}
}
