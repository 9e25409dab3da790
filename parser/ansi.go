package parser

import "strings"

// stripColour takes colour out of s: SGR sequences (ESC [ … m), and what stands
// beside them where a program asks terminfo how to end colour, as slog-term does
// (sgr0 is "ESC ( B ESC [ m" on xterm, "ESC [ m SI" on linux, screen and tmux);
// also with control characters as rsyslog escapes them. What is left is only ever
// framed from its start, so that taking a sequence out of a stranger's text gains
// him nothing.
func (a *arena) stripColour(s string) string {
	esc, si := "\x1b", "\x0f"
	if !strings.Contains(s, "\x1b[") {
		if esc, si = "#033", "#017"; !strings.Contains(s, "#033[") {
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
		n := colourLen(after)
		if n == 0 {
			a.b.WriteString(esc)
		}
		s = after[n:]
		if n > 0 {
			s = strings.TrimPrefix(s, si)
		}
	}
}

// colourLen measures what follows ESC in a sequence of colour, 0 if it is none.
func colourLen(s string) int {
	if strings.HasPrefix(s, "(B") {
		return len("(B")
	}
	if !strings.HasPrefix(s, "[") {
		return 0
	}
	n := 1
	for n < len(s) && (isDigit(s[n]) || s[n] == ';') {
		n++
	}
	if n < len(s) && s[n] == 'm' {
		return n + 1
	}
	return 0
}
