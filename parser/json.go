package parser

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of a JSON line.
const (
	maxMembers   = 128
	maxJSONDepth = 16
)

// member is one member of a JSON object: its key as written between the quotes
// and its value's text.
type member struct {
	key   string
	value string
	at    int // where the value begins
}

// kind is the first byte of the value: '"', '{', '[', 't', 'f', 'n', a digit
// or '-'.
func (m *member) kind() byte { return m.value[0] }

// scanObject appends the members of the JSON object that is the whole of s.
// It checks the syntax of everything it passes over; ok is false for text that
// is no single object, for too many members and too deep nesting.
func scanObject(s string, out []member) (members []member, ok bool) {
	start := len(out)
	c := jsonCursor{s: s}
	if !c.take('{') {
		return out, false
	}
	if c.take('}') {
		return out, c.atEnd()
	}
	for {
		c.space()
		key := c.i + 1
		if len(out)-start >= maxMembers || !c.string() {
			return out, false
		}
		m := member{key: s[key : c.i-1]}
		if !c.take(':') {
			return out, false
		}
		c.space()
		m.at = c.i
		if !c.value(maxJSONDepth) {
			return out, false
		}
		m.value = s[m.at:c.i]
		out = append(out, m)
		if c.take(',') {
			continue
		}
		return out, c.take('}') && c.atEnd()
	}
}

// jsonCursor walks JSON text (RFC 8259).
type jsonCursor struct {
	s string
	i int
}

func (c *jsonCursor) space() {
	for c.i < len(c.s) && (c.s[c.i] == ' ' || c.s[c.i] == '\t') {
		c.i++
	}
}

func (c *jsonCursor) atEnd() bool {
	c.space()
	return c.i == len(c.s)
}

func (c *jsonCursor) take(b byte) bool {
	c.space()
	if c.i < len(c.s) && c.s[c.i] == b {
		c.i++
		return true
	}
	return false
}

// string passes over a string, which holds no raw control character.
func (c *jsonCursor) string() bool {
	if !c.take('"') {
		return false
	}
	for ; c.i < len(c.s); c.i++ {
		switch b := c.s[c.i]; {
		case b == '"':
			c.i++
			return true
		case b == '\\':
			c.i++
		case b < ' ':
			return false
		}
	}
	return false
}

func (c *jsonCursor) value(depth int) bool {
	if c.i >= len(c.s) || depth == 0 {
		return false
	}
	switch c.s[c.i] {
	case '"':
		return c.string()
	case '{':
		return c.composite('}', true, depth-1)
	case '[':
		return c.composite(']', false, depth-1)
	}
	from := c.i
	for c.i < len(c.s) && isJSONWord(c.s[c.i]) {
		c.i++
	}
	switch w := c.s[from:c.i]; w {
	case "true", "false", "null":
		return true
	case "":
		return false
	default:
		return isDigit(w[0]) || w[0] == '-' && len(w) > 1
	}
}

func isJSONWord(b byte) bool {
	return isDigit(b) || 'a' <= b && b <= 'z' || b == 'E' || b == '-' || b == '+' || b == '.'
}

// composite passes over an object or an array.
func (c *jsonCursor) composite(end byte, object bool, depth int) bool {
	c.i++
	if c.take(end) {
		return true
	}
	for {
		c.space()
		if object && (!c.string() || !c.take(':')) {
			return false
		}
		c.space()
		if !c.value(depth) {
			return false
		}
		if c.take(',') {
			continue
		}
		return c.take(end)
	}
}

// jsonText decodes a value for people and for tests: a string without its quotes,
// anything else as it is written.
func (a *arena) jsonText(value string) (string, bool) {
	if value[0] != '"' {
		return value, true
	}
	body := value[1 : len(value)-1]
	if strings.IndexByte(body, '\\') < 0 {
		return body, true
	}
	from := a.room(len(body))
	for body != "" {
		i := strings.IndexByte(body, '\\')
		if i < 0 {
			a.b.WriteString(body)
			break
		}
		a.b.WriteString(body[:i])
		n := a.jsonEscape(body[i:])
		if n == 0 {
			return "", false
		}
		body = body[i+n:]
	}
	return a.since(from), true
}

// jsonEscape decodes the escape at s[0] and gives its length, 0 for a bad one.
func (a *arena) jsonEscape(s string) int {
	if len(s) < 2 {
		return 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[1]); i >= 0 {
		a.b.WriteByte("\"\\/\b\f\n\r\t"[i])
		return 2
	}
	r, ok := hex4(s)
	if !ok {
		return 0
	}
	n := 6
	if utf16.IsSurrogate(r) {
		if low, ok := hex4(s[6:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			r, n = utf16.DecodeRune(r, low), 12
		} else {
			r = utf8.RuneError
		}
	}
	a.b.WriteRune(r)
	return n
}

// hex4 reads "\u12ab".
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// find gives the first member called key, or nil.
func find(members []member, key string) *member {
	for i := range members {
		if members[i].key == key {
			return &members[i]
		}
	}
	return nil
}
