package parser

import "time"

// Result is how one line was read. A caller keeps one and passes it to every
// Parse, which overwrites it; its strings may share the line's memory but stay
// valid. A Result must not be copied after its first use.
type Result struct {
	// Carrier is what wrapped the line (the outermost of two): "syslog" (also
	// journalctl's short output), "syslog-iso", "syslog-5424", "journalctl-json",
	// "journalctl-export", "docker-json", "cri", or "".
	Carrier string
	// Format is the framing that was recognised ("slog-text"), or "".
	Format string
	Record Record
	// Rule is the rule that accepted the line or came nearest to, or nil.
	Rule *Rule
	// Event is set when Reject is Accepted.
	Event  Event
	Reject Reject
	// Detail says in words why the line was rejected; Parse leaves it empty for
	// ordinary lines.
	Detail string
	// Column is the 1-based byte of the line where reading failed, 0 if none.
	Column int
	// Risk names the holes whose witness this line is: text that shows the
	// stream to be one on which a stranger can write whole lines.
	Risk Risks
	// TabsLost is set when the line would be a canonical record if something on
	// the way had not replaced its tabs: it is Forged, and there is a cure.
	TabsLost bool
	// Continues is set when the line is an unfinished piece of a longer one. Which
	// line is its rest, Pieces tells.
	Continues bool

	format  format
	ref     time.Time // the line's Ref
	base    int       // bytes of the line before the payload
	carried carried   // what the carrier said
	stream  lineStream
	// told is set with Continues where the outermost carrier's mark says so: in a rest
	// what looks like another carrier is the stranger's. interrupted is set when another
	// process broke in, unmarked when the carrier has no marks for pieces: the rest may
	// be the next line of any stream; but not where it was journald, as the length tells:
	// there each piece has a head of its stream. blind is set when the carrier can't be
	// read.
	told, interrupted, unmarked, journald, blind bool
	members                                      []member // top-level members of a JSON line
	json                                         jsonLine // the JSON line being framed
	text                                         arena    // decoded text
}

// carried is what a carrier said about the line it wraps.
type carried struct {
	time time.Time
	full bool // the time had a year and a zone
}

func (res *Result) reset() {
	fields := res.Record.Fields[:0]
	res.Carrier, res.Format, res.Detail = "", "", ""
	res.Record = Record{Fields: fields}
	res.Rule = nil
	res.Event = Event{}
	res.Reject = Unrecognised
	res.Column, res.base = 0, 0
	res.Risk, res.TabsLost = 0, false
	res.Continues, res.told, res.interrupted, res.unmarked, res.journald, res.blind = false, false, false, false, false, false
	res.stream = lineStream{}
	res.carried = carried{}
	res.format, res.ref = fmtNone, time.Time{}
	res.members, res.json = res.members[:0], jsonLine{}
}

// within notes the stream that a carrier names; marks says that this carrier
// marks the pieces of a line.
func (res *Result) within(stream, process string, marks bool) {
	if res.Carrier == "" {
		res.stream = lineStream{stream, process, marks}
	}
}

// unread notes a carrier's line that was cut before its own end, or damaged:
// nothing tells whether its text goes on.
func (res *Result) unread() { res.Continues, res.blind = true, true }

// unframe forgets what a framer read that then passed.
func (res *Result) unframe() {
	res.Record = Record{Fields: res.Record.Fields[:0]}
	res.format, res.Reject, res.Detail, res.Column, res.Risk = fmtNone, Unrecognised, "", 0, 0
}

// fail rejects the line at byte pos of the payload. It returns true, which a
// framer answers to say that the line is its own.
func (res *Result) fail(r Reject, pos int, detail string) bool {
	res.Reject, res.Detail = r, detail
	res.Column = res.base + pos + 1
	return true
}

// add appends a field; false when the record is full.
func (res *Result) add(scope, key, value string) bool {
	if len(res.Record.Fields) >= MaxFields {
		return false
	}
	res.Record.Fields = append(res.Record.Fields, Field{scope, key, value})
	return true
}

// failed tells whether fail was called.
func (res *Result) failed() bool { return res.Column != 0 }
