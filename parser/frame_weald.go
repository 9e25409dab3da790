package parser

import "strings"

// frameWeald reads what js-libp2p's logger (weald, once debug) prints:
// "[TIME ]namespace message", and on a terminal, or with DEBUG_COLORS, two
// spaces, the namespace in colour, the message and " +12ms". An application may
// put a name of its own before the namespace ("12D3…abcd:libp2p:…").
func frameWeald(s string, res *Result) bool {
	var rest string
	at := readStamp(s, 'T')
	coloured := false
	if at.n > 0 {
		var ok bool
		if rest, ok = strings.CutPrefix(s[at.n:], " "); !ok {
			return false
		}
	} else if rest, coloured = strings.CutPrefix(s, "  "); coloured {
		rest = res.text.stripColour(rest)
	}
	name, message, ok := strings.Cut(rest, " ")
	if !ok {
		return false
	}
	if !strings.HasPrefix(name, "libp2p:") {
		prefix, inner, _ := strings.Cut(name, ":")
		if prefix == "" || !strings.HasPrefix(inner, "libp2p:") {
			return false
		}
		name = inner
	}
	if coloured {
		message = cutElapsed(message)
	}
	if strings.HasSuffix(name, ":mss:handle") { // whatever the name's length: strangers open streams in streams
		res.Risk |= RiskMultistream
	}
	if len(name) > MaxLogger {
		res.format = fmtWeald
		return res.fail(malformedOrForged(s), len(s)-len(message), "the logger's name is too long")
	}
	rec := &res.Record
	rec.Time, rec.Logger, rec.Message, res.format = at.t, name, message, fmtWeald
	rec.Level = "debug"
	if strings.HasSuffix(name, ":error") {
		rec.Level = "error"
	}
	return true
}

// cutElapsed takes off the " +687ms" at the end of a coloured line.
func cutElapsed(s string) string {
	i := strings.LastIndex(s, " +")
	if i < 0 {
		return s
	}
	n := i + 2
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	switch s[n:] {
	case "ms", "s", "m", "h", "d":
		if n > i+2 {
			return s[:i]
		}
	}
	return s
}
