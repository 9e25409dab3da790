package parser

import "strings"

// stripColour takes SGR sequences (ESC [ … m) out of s, also with ESC as
// rsyslog escapes it. What is left is only ever framed from its start, so that
// taking a sequence out of a stranger's text gains him nothing.
func (a *arena) stripColour(s string) string {
	esc := "\x1b["
	if !strings.Contains(s, esc) {
		if esc = "#033["; !strings.Contains(s, esc) {
			return s
		}
	}
	from := a.room(len(s))
	for {
		before, after, ok := strings.Cut(s, esc)
		a.b.WriteString(before)
		if !ok {
			return a.since(from)
		}
		n := 0
		for n < len(after) && (isDigit(after[n]) || after[n] == ';') {
			n++
		}
		if n < len(after) && after[n] == 'm' {
			s = after[n+1:]
			continue
		}
		a.b.WriteString(esc)
		s = after
	}
}
