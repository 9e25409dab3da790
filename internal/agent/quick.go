package agent

import (
	"time"

	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// readQuick reads an event that differs from one before it in nothing but its
// time, peer, address and error into ev: most of a flood. It is a fifth of the
// work of reading the line whole, and known is false for any other line, which
// is left to read.
func (r *reader) readQuick(l *sources.Line, now time.Time, ev *parser.Event) (known bool) {
	if l.Cut || r.scanner == nil || r.risks != 0 && !r.trust || r.pieces.Open() {
		return false
	}
	if reject, ok := r.scanner.Quick(l.Text, ev); !ok || reject != parser.Accepted {
		return false
	}
	r.tally.Lines++
	r.tally.Events++
	r.tally.Rejected[parser.Accepted]++
	if ev.Time.After(now.Add(maxAhead)) {
		ev.Time = now
	}
	r.last, r.readAt = ev.Time, now
	if r.witnessed.IsZero() {
		r.witnessed = now
	}
	return true
}

// noteQuick is note for an event that readQuick read.
func (f *flow) noteQuick(l *sources.Line, ev *parser.Event, s parser.Status, now time.Time) {
	f.lines.beat(now)
	f.delay = max(0, now.Sub(ev.Time))
	if !l.Time.IsZero() {
		f.delay = max(0, now.Sub(l.Time))
	}
	f.known(now)
	if s.Tag == peerStatus {
		f.node.canonical(s, ev.Addr, ev.Weight)
	} else {
		f.node.offence(ev)
	}
	f.event(ev)
}
