package conformance

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// scanText takes a line of key=value pairs apart. It gives what it read before
// a violation too.
func scanText(s string) ([]field, *violation) {
	var fields []field
	for pos := 0; ; {
		f, end, bad := scanPair(s, pos)
		if bad != nil {
			return fields, bad
		}
		fields = append(fields, f)
		if end == len(s) {
			return fields, nil
		}
		if s[end] != ' ' {
			return fields, broken(Quoting, end, "a value must be followed by a space or the end of the line")
		}
		if pos = end + 1; pos == len(s) {
			return fields, broken(Line, end, "the line ends in a space")
		}
	}
}

func scanPair(s string, pos int) (f field, end int, bad *violation) {
	n := strings.IndexByte(s[pos:], '=')
	switch {
	case s[pos] == ' ':
		return f, 0, broken(Line, pos, "fields are separated by one space")
	case n < 0:
		return f, 0, broken(Quoting, pos, "no key=value here: is a value with a space not quoted?")
	}
	f = field{key: s[pos : pos+n], keyAt: pos, at: pos + n + 1}
	if !isKey(f.key) {
		return f, 0, broken(Key, pos, "%s is no key: a letter, then letters, digits and _", quoteShort(f.key))
	}
	if strings.HasPrefix(s[f.at:], `"`) {
		f.quoted = true
		f.value, end, f.escapes, bad = scanQuoted(s, f.at)
	} else {
		f.value, end, bad = scanBare(s, f.at)
	}
	return f, end, bad
}

// isKey tells whether s is made like a key.
func isKey(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && (c == '_' || '0' <= c && c <= '9'):
		default:
			return false
		}
	}
	return s != "" && len(s) <= MaxKey
}

// scanBare reads a value without quotes, up to a space or the end.
func scanBare(s string, pos int) (value string, end int, bad *violation) {
	n := strings.IndexByte(s[pos:], ' ')
	if n < 0 {
		n = len(s) - pos
	}
	value = s[pos : pos+n]
	if value == "" {
		return "", 0, broken(Quoting, pos, `an empty value is written ""`)
	}
	for i, r := range value {
		size := utf8.RuneLen(r)
		if r == utf8.RuneError && !strings.HasPrefix(value[i:], "\uFFFD") {
			size = -1
		}
		switch {
		case r == '"' || r == '=':
			return "", 0, broken(Quoting, pos+i, "%q in a value that is not quoted", r)
		case size < 0 || mustEscape(r) || unicode.IsSpace(r):
			return "", 0, broken(Escape, pos+i, "a character that must be escaped stands raw, and the value is not quoted")
		}
	}
	return value, pos + n, nil
}

// scanQuoted reads the quoted value that begins at s[pos].
func scanQuoted(s string, pos int) (value string, end int, escapes bool, bad *violation) {
	var b strings.Builder
	for i := pos + 1; i < len(s); {
		switch c := s[i]; {
		case c == '"':
			value = b.String()
			if value != "" && !needsQuotes(value) {
				return "", 0, false, broken(Quoting, pos, "the value needs no quotes")
			}
			return value, i + 1, escapes, nil
		case c == '\\':
			escapes = true
			n, bad := unescape(s, i, &b)
			if bad != nil {
				return "", 0, false, bad
			}
			i += n
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 || mustEscape(r) {
				return "", 0, false, broken(Escape, i, "a character that must be escaped stands raw")
			}
			b.WriteString(s[i : i+size])
			i += size
		}
	}
	return "", 0, false, broken(Quoting, pos, "the quotes are not closed")
}

// unescape decodes the escape at s[i] and gives its length.
func unescape(s string, i int, b *strings.Builder) (int, *violation) {
	if i+1 == len(s) || !strings.ContainsRune(`abfnrtv\"xuU`, rune(s[i+1])) {
		return 0, broken(Escape, i, `no such escape; there are \a \b \f \n \r \t \v \\ \" \xHH \uHHHH \UHHHHHHHH`)
	}
	r, multibyte, rest, err := strconv.UnquoteChar(s[i:], '"')
	if err != nil {
		return 0, broken(Escape, i, "a bad escape: its digits are no character (halves of a surrogate pair are none)")
	}
	if s[i+1] == 'x' || r < utf8.RuneSelf || !multibyte {
		b.WriteByte(byte(r))
	} else {
		b.WriteRune(r)
	}
	return len(s) - i - len(rest), nil
}

// needsQuotes tells whether a value must be quoted. One with characters beyond
// ASCII may be quoted or not: Go's slog leaves the printable ones bare.
func needsQuotes(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c == '"' || c == '=' || c >= 0x7f {
			return true
		}
	}
	return s == ""
}

// mustEscape tells whether r may not stand raw in any value: control and format
// characters (which can end a line, colour it or reverse it) and every space
// but the common one.
func mustEscape(r rune) bool {
	return r != ' ' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Z)
}

// quoteShort quotes the beginning of s for a message.
func quoteShort(s string) string {
	if len(s) > 20 {
		s = s[:20] + "…"
	}
	return strconv.Quote(s)
}
