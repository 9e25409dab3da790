package setup

import (
	"maps"
	"slices"
	"time"

	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// eye reads the lines of one log and remembers what kind they were.
type eye struct {
	parser *parser.Parser
	res    parser.Result
	last   time.Time
	pieces parser.Pieces

	lines, events int64
	// genuine are lines that only a node's logger writes; a line that is merely
	// about one (Forged, Malformed) shows nothing, for strangers get such text
	// into any log.
	genuine         int64
	refused         map[string]int64
	formats         map[string]int64
	implementations map[string]bool
	risks           parser.Risks
}

func (l *looker) eye(last time.Time) *eye {
	return &eye{parser: l.parser, last: last,
		refused: map[string]int64{}, formats: map[string]int64{}, implementations: map[string]bool{}}
}

func (e *eye) read(l sources.Line) {
	line := parser.Line{Text: l.Text, Time: l.Time, Ref: e.last, Cut: l.Cut, Head: l.Head}
	r := &e.res
	e.parser.Parse(line, r)
	e.pieces.Settle(&line, r)
	e.risks |= r.Risk
	e.lines++
	switch r.Reject {
	case parser.Unrecognised:
		return
	case parser.Accepted:
		e.events++
	default:
		e.refused[r.Reject.String()]++
	}
	if r.Reject == parser.Forged || r.Reject == parser.Malformed || r.Reject == parser.Cut || r.Rule == nil {
		return
	}
	e.genuine++
	e.formats[r.Format]++
	e.implementations[r.Rule.Implementation] = true
	if !r.Record.Time.IsZero() {
		e.last = r.Record.Time
	}
}

// describe fills in what was seen.
func (e *eye) describe(f *Found) {
	f.Lines, f.Records, f.Events = e.lines, e.genuine, e.events
	f.Refused, f.Formats = e.refused, e.formats
	f.Implementations = slices.Sorted(maps.Keys(e.implementations))
	for _, r := range e.risks.Info() {
		f.Risks = append(f.Risks, Risk{r.Name, r.Summary, r.Setting})
	}
}
