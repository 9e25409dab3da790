package parser

import "strings"

// frameLogrus reads logrus's text format off a terminal:
// `time="TIME" level=info msg="text" key=value …`. It quotes a value unless it
// is made of letters, digits and -._/@^+ (text_formatter.go, needsQuoting).
func frameLogrus(s string, res *Result) bool {
	if !strings.HasPrefix(s, `time="`) {
		return false
	}
	p := pairs{s: s, res: res}
	key, value, ok := p.next()
	at := readJSONTime(value)
	if !ok || key != "time" || at.n == 0 {
		return false
	}
	level, value, ok := p.next()
	if !ok || level != "level" {
		return false
	}
	rec := &res.Record
	rec.Time, rec.Level, res.format = at.complete(res.ref), value, fmtLogrusText
	if key, rec.Message, ok = p.next(); !ok || key != "msg" {
		return res.fail(malformedOrForged(s), p.pos, "no msg after the level")
	}
	return p.fields()
}

// frameChronicles reads the text lines of nim-chronicles:
// "INF 2006-01-02 15:04:05.000+00:00 message   topics=\"…\" key=value …".
// Whatever is not printable is escaped (chronicles/textformats.nim).
func frameChronicles(s string, res *Result) bool {
	s = res.text.stripColour(s)
	level, rest, ok := strings.Cut(s, " ")
	switch level {
	case "TRC", "DBG", "INF", "NTC", "NOT", "WRN", "ERR", "FAT":
	default:
		return false
	}
	at := readStamp(rest, ' ')
	if !ok || at.n == 0 || !strings.HasPrefix(rest[at.n:], " ") {
		return false
	}
	rest = rest[at.n+1:]
	rec := &res.Record
	rec.Time, rec.Level, res.format = at.complete(res.ref), level, fmtChronicles
	i := strings.Index(rest, " topics=")
	if i < 0 {
		rec.Message = strings.TrimRight(rest, " ")
		return true
	}
	rec.Message = strings.TrimRight(rest[:i], " ")
	p := pairs{s: s, pos: len(s) - len(rest) + i + 1, res: res}
	return p.fields()
}

// pairs is a cursor over `key=value key="value"`.
type pairs struct {
	s   string
	pos int
	res *Result
}

// fields reads all that is left into the record.
func (p *pairs) fields() bool {
	for p.pos < len(p.s) {
		at := p.pos
		key, value, ok := p.next()
		if !ok {
			return p.res.fail(malformedOrForged(p.s), at, "no key=value here")
		}
		if !p.res.add("", key, value) {
			return p.res.fail(Malformed, at, "too many fields")
		}
	}
	return true
}

// next reads one pair and the space behind it.
func (p *pairs) next() (key, value string, ok bool) {
	rest := p.s[p.pos:]
	key, rest, ok = strings.Cut(rest, "=")
	if !ok || key == "" || len(key) > MaxKey || hasSpace(key) {
		return "", "", false
	}
	n := 0
	if strings.HasPrefix(rest, `"`) {
		if n = quotedEnd(rest); n < 0 {
			return "", "", false
		}
		if value, ok = p.res.text.unquote(rest[:n]); !ok {
			return "", "", false
		}
	} else {
		for n < len(rest) && rest[n] > ' ' && rest[n] != '"' {
			n++
		}
		value = rest[:n]
	}
	p.pos = len(p.s) - len(rest) + n
	if p.pos == len(p.s) {
		return key, value, true
	}
	if p.s[p.pos] != ' ' {
		return "", "", false
	}
	p.pos++
	return key, value, true
}
