package parser

import (
	"strings"
	"time"
)

// Bounds of what is read from one line. Genuine lines stay far below; what
// exceeds one is refused as Malformed or Forged.
const (
	// MaxFields bounds the key=value pairs of one record.
	MaxFields = 64
	// MaxKey bounds one key, in bytes.
	MaxKey = 128
	// MaxAddr bounds a multiaddr, in bytes. The longest genuine one seen
	// (webtransport with two certificate hashes and a peer id) has 230.
	MaxAddr = 512
	// MaxSource bounds a source position ("/build/path/file.go:168"), in bytes.
	// A forger who is given whole lines by a splitting carrier hides his
	// padding here; the longest genuine one seen has 110.
	MaxSource = 300
	// MaxLogger bounds a logger's name or module path, in bytes. js-libp2p nests
	// a name for each stream of a relayed connection and reaches 190.
	MaxLogger = 300
	// MaxComponent bounds the unquoted component of a misbehaving-peer record of
	// go-libp2p up to v0.43, in bytes; it is a constant in the node's code.
	MaxComponent = 128
	// MaxPeer bounds a peer id, in bytes; the identity-hashed ones have 52 or 53.
	MaxPeer = 128
	// MaxWeight bounds what one line may count for. go-libp2p's sample rate is
	// the literal 100 at every call site of every release.
	MaxWeight = 10000
)

// Record is a framed line: what the logger was told, before any rule.
type Record struct {
	// Time is when the node logged it, in UTC: the line's own full stamp, else
	// its carrier's. Zero when neither says.
	Time time.Time
	// Level is as written, without colour: "INFO", "warn", "DEBG".
	Level string
	// Logger is the logger's name, module path, target or namespace; for
	// weald without the instance prefix an application may put before it.
	Logger string
	// Source is the code position ("swarm/swarm_listen.go:168"), if any.
	Source string
	// Span is the innermost tracing span's name, if any.
	Span string
	// Tag is the canonical record's name ("CANONICAL_PEER_STATUS") when the
	// line is one, in the place and shape the logger gives it.
	Tag string
	// Message is the text; empty when there is a Tag. In the tracing text
	// formats it includes what follows it, as the format does not mark its end.
	Message string
	// Fields are the key=value pairs in order.
	Fields []Field
}

// Field is one pair of a Record.
type Field struct {
	// Scope is the name of the span the field belongs to, "" for the record's own.
	Scope string
	Key   string
	// Value is decoded: without its quotes and escapes.
	Value string
}

// Get gives the first field of the record's own called key.
func (r *Record) Get(key string) (string, bool) { return r.Scoped("", key) }

// Scoped gives the first field called key that belongs to the span scope.
func (r *Record) Scoped(scope, key string) (string, bool) {
	for i := range r.Fields {
		if r.Fields[i].Key == key && r.Fields[i].Scope == scope {
			return r.Fields[i].Value, true
		}
	}
	return "", false
}

// repeated tells whether key stands more than once in scope.
func (r *Record) repeated(scope, key string) bool {
	n := 0
	for i := range r.Fields {
		if r.Fields[i].Key == key && r.Fields[i].Scope == scope {
			n++
		}
	}
	return n > 1
}

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
	// interrupted is set with Continues when another process broke in, blind
	// when the carrier can't be read: the rest may be in any stream.
	interrupted, blind bool
	members            []member // top-level members of a JSON line
	json               jsonLine // the JSON line being framed
	text               arena    // decoded text
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
	res.Continues, res.interrupted, res.blind = false, false, false
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

// arena keeps decoded text. It only ever appends, so that the strings it gave
// stay valid, and starts a new block when one is full: decoding costs no
// allocation per line.
type arena struct{ b strings.Builder }

const arenaBlock = 64 << 10

// room makes sure that n bytes can be written without moving the block, and
// returns the position where they begin.
func (a *arena) room(n int) int {
	if a.b.Cap()-a.b.Len() < n {
		a.b = strings.Builder{}
		a.b.Grow(max(n, arenaBlock))
	}
	return a.b.Len()
}

// since gives what was written from position from on.
func (a *arena) since(from int) string { return a.b.String()[from:] }

// join appends both.
func (a *arena) join(s, t string) string {
	from := a.room(len(s) + len(t))
	a.b.WriteString(s)
	a.b.WriteString(t)
	return a.since(from)
}
