package parser

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quotedEnd gives the index after the closing quote of the Go-quoted string
// that starts at s[0], or -1 when it is not closed or holds a raw control
// character, which strconv.Quote never leaves.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			i++
		case c < ' ' || c == 0x7f:
			return -1
		}
	}
	return -1
}

// unquote decodes a whole Go-quoted string, its quotes included.
func (a *arena) unquote(s string) (string, bool) {
	body := s[1 : len(s)-1]
	if strings.IndexByte(body, '\\') < 0 {
		return body, true
	}
	from := a.room(len(body) + utf8.UTFMax)
	for len(body) > 0 {
		if i := strings.IndexByte(body, '\\'); i != 0 {
			if i < 0 {
				i = len(body)
			}
			a.b.WriteString(body[:i])
			body = body[i:]
			continue
		}
		r, multibyte, rest, err := strconv.UnquoteChar(body, '"')
		if err != nil {
			return "", false
		}
		if r < utf8.RuneSelf || !multibyte {
			a.b.WriteByte(byte(r))
		} else {
			a.b.WriteRune(r)
		}
		body = rest
	}
	return a.since(from), true
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// slogQuotes tells whether log/slog's TextHandler quotes s: when it is empty or
// holds a space, '=', '"', a control character, or anything not printable.
func slogQuotes(s string) bool {
	if s == "" {
		return true
	}
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c <= ' ' || c == '=' || c == '"' {
				return true
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return true
		}
		i += size
	}
	return false
}
