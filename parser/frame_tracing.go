package parser

import "strings"

// frameTracing reads the text formats of Rust's tracing-subscriber. Full is
// "TIME LEVEL span{key=value …}:…: target: message key=value …"; compact is
// "TIME LEVEL span:…: target: message key=value …" with the spans' fields at
// the end. Neither marks where the message ends: Message holds all of it.
func frameTracing(s string, res *Result) bool {
	s = res.text.stripColour(s)
	at := readStamp(s, 'T')
	if at.n == 0 || !at.zoned || len(s) < at.n+7 || s[at.n] != ' ' || s[at.n+6] != ' ' {
		return false
	}
	rec := &res.Record
	rec.Level = strings.TrimPrefix(s[at.n+1:at.n+6], " ")
	switch rec.Level {
	case "TRACE", "DEBUG", "INFO", "WARN", "ERROR":
	default:
		return false
	}
	rec.Time, res.format = at.t, fmtTracingFull
	rest := s[at.n+7:]
	t := tracingSpans{res: res, rest: rest}
	if !t.read() {
		return res.fail(malformedOrForged(s), len(s)-len(t.rest), "the spans can't be read")
	}
	if t.fields {
		rest = t.rest
	}
	first, after, ok := strings.Cut(rest, ": ")
	if !ok || !isTarget(first) {
		return t.fields && res.fail(Malformed, len(s)-len(rest), "no target after the spans")
	}
	rec.Logger, rec.Message = first, after
	if !t.fields {
		if second, message, ok := strings.Cut(after, ": "); ok && strings.Contains(second, "::") && isTarget(second) && !strings.Contains(first, "::") {
			rec.Span, rec.Logger, rec.Message, res.format = lastSpan(first), second, message, fmtTracingCompact
		}
	}
	if displaysPeerText(rec.Message) {
		res.Risk |= RiskDisplay
	}
	return true
}

// lastSpan gives the innermost of "outer:inner".
func lastSpan(s string) string { return s[strings.LastIndexByte(s, ':')+1:] }

// isTarget tells whether s is made like a target: a Rust path.
func isTarget(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		lower := c | 0x20
		if (lower < 'a' || lower > 'z') && !isDigit(c) && c != '_' && c != ':' && c != '-' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= MaxLogger
}

// peerTextFields are fields in which Rust nodes print what a peer says of
// itself in identify (Forest: src/libp2p/service.rs, "Banning peer").
var peerTextFields = [...]string{" user_agent=", " agent_version="}

// displaysPeerText tells whether the message has a field that a peer writes and
// that is printed by Display, that is without quotes.
func displaysPeerText(message string) bool {
	for _, key := range peerTextFields {
		if i := strings.Index(message, key); i >= 0 && !strings.HasPrefix(message[i+len(key):], `"`) {
			return true
		}
	}
	return false
}

// tracingSpans reads "span{key=value …}:span{…}: " at the start of rest.
type tracingSpans struct {
	res    *Result
	rest   string
	fields bool // there was at least one span with fields
}

// read answers false when spans begin and don't end.
func (t *tracingSpans) read() bool {
	for {
		n := 0
		for n < len(t.rest) && t.rest[n] != '{' && t.rest[n] != ':' && t.rest[n] > ' ' {
			n++
		}
		if n == 0 || n == len(t.rest) || t.rest[n] == ' ' {
			return !t.fields
		}
		name := t.rest[:n]
		if t.rest[n] == ':' {
			if !t.fields {
				return true // a target, or a span without fields
			}
			t.rest = t.rest[n:]
		} else {
			t.rest, t.fields = t.rest[n+1:], true
			if !t.pairs(name) {
				return false
			}
		}
		t.res.Record.Span = name
		if rest, ok := strings.CutPrefix(t.rest, ": "); ok {
			t.rest = rest
			return true
		}
		if !strings.HasPrefix(t.rest, ":") {
			return false
		}
		t.rest = t.rest[1:]
	}
}

// pairs reads "key=value key=value}".
func (t *tracingSpans) pairs(span string) bool {
	for {
		key, rest, ok := strings.Cut(t.rest, "=")
		if !ok || key == "" || len(key) > MaxKey || hasSpace(key) {
			return false
		}
		n := 0
		if strings.HasPrefix(rest, `"`) {
			if n = quotedEnd(rest); n < 0 {
				return false
			}
		} else {
			for n < len(rest) && rest[n] > ' ' && rest[n] != '}' {
				n++
			}
		}
		if n == len(rest) || !t.res.add(span, key, rest[:n]) {
			return false
		}
		end := rest[n]
		t.rest = rest[n+1:]
		if end == '}' {
			return true
		}
		if end != ' ' {
			return false
		}
	}
}
