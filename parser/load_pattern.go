package parser

import (
	"slices"
	"strings"
)

// pattern compiles one record and refuses what could accuse the wrong host.
func (ld *loader) pattern(rec *rawRecord, at func(string) int) pattern {
	p := pattern{
		tag: rec.Tag, span: rec.Span,
		host: parseRef(rec.Host), peer: parseRef(rec.Peer), confirm: parseRef(rec.Confirm),
		direction: parseRef(rec.DirectionField),
	}
	ld.shape(&p, rec, at)
	if p.host.empty() {
		ld.fail(at("host"), "no host; name the one field that holds the peer's address")
	}
	ld.direction(rec, at)
	ld.holes(&p, at)
	for key, want := range rec.Where {
		t := test{field: parseRef(key)}
		list, isList := want.([]any)
		if !isList {
			list = []any{want}
		}
		for _, v := range list {
			text, isText := v.(string)
			value, err := compileTemplate(text)
			if !isText || err != nil {
				ld.fail(at("where"), "where.%s wants a text or a list of texts (%v)", key, err)
			}
			t.values = append(t.values, value)
		}
		p.where = append(p.where, t)
	}
	slices.SortFunc(p.where, func(a, b test) int { return strings.Compare(a.field.String(), b.field.String()) })
	return p
}

// direction refuses a record that could be about a connection our node dialled,
// whose address the peer chose.
func (ld *loader) direction(rec *rawRecord, at func(string) int) {
	switch {
	case rec.Direction == "" && rec.DirectionField == "":
		ld.fail(at("direction"), `no direction; want direction = "inbound" when the line speaks of inbound connections only, or direction-field`)
	case rec.Direction != "" && rec.DirectionField != "":
		ld.fail(at("direction"), "direction and direction-field exclude each other")
	case rec.Direction == "any" && rec.Default && rec.Tag == "":
		ld.fail(at("direction"), `direction = "any" also accuses hosts that our node dialled, whose addresses their peers chose; such a rule can't be on by default`)
	case rec.Direction != "" && rec.Direction != "inbound" && rec.Direction != "any":
		ld.fail(at("direction"), `direction is %q; want "inbound", or "any" for a rule that is off by default`, rec.Direction)
	}
}

// shape compiles what identifies a record.
func (ld *loader) shape(p *pattern, rec *rawRecord, at func(string) int) {
	for _, name := range rec.Formats {
		f, ok := formatByName(name)
		if !ok {
			ld.fail(at("formats"), "no format %q; there are %s", name, strings.Join(Formats(), ", "))
		}
		p.formats |= 1 << f
	}
	named := 0
	for _, s := range [...]string{rec.Tag, rec.Message, rec.Regex} {
		if s != "" {
			named++
		}
	}
	if named != 1 {
		ld.fail(at("message"), "a record is named by exactly one of tag, message and regex; this one has %d of them", named)
		return
	}
	if rec.Tag != "" && !isCanonicalTag(rec.Tag) {
		ld.fail(at("tag"), "no canonical record %q; there are %s and %s", rec.Tag, tagStatus, tagMisbehaving)
	}
	var err error
	if rec.Logger != "" {
		if p.logger, err = compileTemplate(rec.Logger); err != nil {
			ld.fail(at("logger"), "logger: %v", err)
		}
	}
	if rec.Message != "" {
		if p.message, err = compileTemplate(rec.Message); err != nil {
			ld.fail(at("message"), "message: %v", err)
		}
	}
	if rec.Regex != "" {
		p.regex = newExpression(rec.Regex)
		if err = checkRegex(rec.Regex, p.host.key); err != nil {
			ld.fail(at("regex"), "regex: %v", err)
		}
	}
	if p.needle() == "" {
		ld.fail(at("message"), "no literal text of %d letters to find the line by", minNeedle)
	}
}

func parseRef(s string) ref {
	if i := strings.LastIndexByte(s, '.'); i > 0 {
		return ref{s[:i], s[i+1:]}
	}
	return ref{key: s}
}

// isRuleName tells whether s is a word of lower-case letters, digits and dashes.
func isRuleName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isDigit(c) && (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= MaxKey
}

// holes refuses a host that nothing in the record can hold.
func (ld *loader) holes(p *pattern, at func(string) int) {
	if p.host.empty() || p.host.scope != "" || p.tag != "" {
		return
	}
	bare := p.formats != 0 && p.formats&^fieldless == 0
	if bare && p.message != nil && !p.message.has(p.host.key) {
		ld.fail(at("host"), "host is %q, but the message has no hole {%s} and lines of this format have no fields", p.host, p.host.key)
	}
}
