package parser

import "strings"

// A stranger whose text makes each of his lines so long that its carrier splits it
// must not go free for that. What stands in the first piece of a canonical record
// before the error is the node's own, and whole: peer, address, sample rate and
// which handshake failed. So a first piece is read with an empty error in the place
// of what is left of his. Nothing that he wrote is read.

// headErrors are how an error begins in the formats of canonical records, and how
// the record ends after an empty one. The first of them in a line is the node's:
// nothing before it is a stranger's.
var headErrors = [...]struct{ begin, end string }{
	{` err="`, `"`},
	{` err=\"`, `\""}`},
}

// head reads payload as the first piece of a split canonical record; false when it
// is none, and res is then as before. Where the line's carrier tells of pieces,
// whether it is the first one Pieces knows.
func (p *Parser) head(l *Line, payload string, res *Result) bool {
	switch {
	case l.Cut && (!l.Head || res.Carrier != ""): // a carrier's line may begin in the middle of the node's
		return false
	case !l.Cut && (res.Reject != Cut || !res.Continues || !res.stream.marks || res.blind):
		return false
	}
	for _, e := range headErrors {
		record, _, ok := strings.Cut(payload, e.begin)
		if !ok || !strings.Contains(record, tagStatus) {
			continue
		}
		reject, detail, column := res.Reject, res.Detail, res.Column
		res.Reject, res.Detail, res.Column = Unrecognised, "", 0
		if p.frame(res.text.join(record, e.begin+e.end), res); res.Record.Tag != "" && !res.failed() {
			return true
		}
		res.unframe()
		res.Reject, res.Detail, res.Column = reject, detail, column
	}
	return false
}
