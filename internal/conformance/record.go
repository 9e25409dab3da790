package conformance

import (
	"fmt"
	"net/netip"
)

// The names of the two records.
const (
	status      = "CANONICAL_PEER_STATUS"
	misbehaving = "CANONICAL_MISBEHAVING_PEER"
)

// The forms in which a record is written.
const (
	textForm = "text"
	jsonForm = "json"
)

// The kinds of records.
const (
	kindConnection  = "connection"
	kindHandshake   = "handshake"
	kindMisbehaving = "misbehaving"
	// kindOther is a kind that the specification does not know: an extension,
	// which readers leave alone.
	kindOther = "other"
)

// field is one key with its decoded value.
type field struct {
	key, value string
	at         int  // offset of the value in the line
	keyAt      int  // offset of the key
	quoted     bool // in the text form
	escapes    bool // the value was written with an escape
	number     bool // in JSON: a number
}

// record is a line taken apart, in either form.
type record struct {
	form string
	tag  string
	// fields are those after the name, in the order of the line.
	fields []field
	kind   string
}

// get gives the first field called key.
func (r *record) get(key string) (*field, bool) {
	for i := range r.fields {
		if r.fields[i].key == key {
			return &r.fields[i], true
		}
	}
	return nil, false
}

// violation is a clause broken at an offset of the line.
type violation struct {
	clause Clause
	at     int
	detail string
}

// broken makes a violation.
func broken(c Clause, at int, format string, args ...any) *violation {
	return &violation{c, at, fmt.Sprintf(format, args...)}
}

// Verdict is what was found of one line.
type Verdict struct {
	// Record is the record's name; "" when the line is none and mentions none.
	// Such lines are no business of the specification.
	Record string
	// Form is "text" or "json".
	Form string
	// Kind is "connection", "handshake", "misbehaving", or "other" for one that
	// the specification does not know.
	Kind string
	// Clause is the clause violated, "" when the record conforms.
	Clause Clause
	// Column is the 1-based byte where the violation is.
	Column int
	// Detail says what is wrong.
	Detail string
	// Host is whom the record accuses. When it is nobody, Nobody says why, in
	// the words of the parser: "outbound", "relayed", "private", "no-ip",
	// "no-rule".
	Host   netip.Addr
	Nobody string

	rec *record // for the coverage; nil when the line could not be taken apart
}
