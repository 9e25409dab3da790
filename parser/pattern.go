package parser

import (
	"regexp"
	"strings"
	"sync"
)

// pattern is one shape of record that a rule speaks of.
type pattern struct {
	formats uint64 // bit set of format; 0 for any
	tag     string
	logger  *template // nil for any
	span    string
	message *template
	regex   *expression
	where   []test
	host    ref
	peer    ref
	confirm ref
	// direction is the field that says it; empty when the record itself speaks
	// of inbound connections only, or the rule takes any.
	direction ref
}

// ref names a field: "addr", or "span.addr" for one that belongs to a span.
type ref struct{ scope, key string }

func (r ref) empty() bool { return r.key == "" }

func (r ref) String() string {
	if r.scope == "" {
		return r.key
	}
	return r.scope + "." + r.key
}

// test asks that a field matches one of the values.
type test struct {
	field  ref
	values []*template
}

// identifies tells whether the record is of this shape, and appends what the
// message's holes hold to its fields.
func (p *pattern) identifies(res *Result) bool {
	rec := &res.Record
	if p.formats != 0 && p.formats&(1<<res.format) == 0 || p.tag != rec.Tag || p.span != "" && p.span != rec.Span {
		return false
	}
	if p.tag != "" {
		return true
	}
	mark := len(rec.Fields)
	ok := p.logger == nil || p.logger.match(rec.Logger, res)
	if ok && p.message != nil {
		ok = p.message.match(rec.Message, res)
	}
	if ok && p.regex != nil {
		ok = p.matchRegex(res)
	}
	if !ok {
		rec.Fields = rec.Fields[:mark]
	}
	return ok
}

// expression is a regular expression that is compiled when a line first asks
// for it: few logs ever do, and compiling all of them takes as long as reading
// 10 MB.
type expression struct {
	text     string
	compiled func() *regexp.Regexp
}

// newExpression takes a text that checkRegex has parsed or will refuse.
func newExpression(text string) *expression {
	return &expression{text, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
}

func (p *pattern) matchRegex(res *Result) bool {
	re := p.regex.compiled()
	m := re.FindStringSubmatchIndex(res.Record.Message)
	if m == nil {
		return false
	}
	for i, name := range re.SubexpNames() {
		if name == "" || m[2*i] < 0 {
			continue
		}
		if !res.add("", name, res.Record.Message[m[2*i]:m[2*i+1]]) {
			return false
		}
	}
	return true
}

// holds tells whether every field test passes; what holes in the values hold is
// added to the record's fields.
func (p *pattern) holds(res *Result) bool {
	for i := range p.where {
		if !p.where[i].passes(res) {
			return false
		}
	}
	return true
}

func (t *test) passes(res *Result) bool {
	v, ok := res.Record.Scoped(t.field.scope, t.field.key)
	if !ok || res.Record.repeated(t.field.scope, t.field.key) {
		return false
	}
	for _, want := range t.values {
		mark := len(res.Record.Fields)
		if want.match(v, res) {
			return true
		}
		res.Record.Fields = res.Record.Fields[:mark]
	}
	return false
}

// template is a text with named holes: "connection from {addr} refused". A hole
// holds one or more bytes that are not white space; "{name...}", at the end
// only, holds the rest.
type template struct {
	pieces []piece
}

// piece is a literal and the hole that follows it.
type piece struct {
	literal string
	hole    string // "" at the end of a template that ends in a literal
	rest    bool
}

func (t *template) match(s string, res *Result) bool {
	for i := range t.pieces {
		p := &t.pieces[i]
		var ok bool
		if s, ok = strings.CutPrefix(s, p.literal); !ok {
			return false
		}
		if p.hole == "" {
			return s == ""
		}
		n := len(s)
		if i+1 < len(t.pieces) {
			if n = strings.Index(s, t.pieces[i+1].literal); n < 0 {
				return false
			}
		}
		if !p.rest && (n == 0 || hasSpace(s[:n])) || !res.add("", p.hole, s[:n]) {
			return false
		}
		s = s[n:]
	}
	return s == ""
}

func hasSpace(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}
