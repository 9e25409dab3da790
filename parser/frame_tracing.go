package parser

import (
	"slices"
	"strings"
)

// frameTracing reads the text formats of Rust's tracing-subscriber. Full is
// "TIME LEVEL span{key=value …}:…: target: message key=value …"; compact is
// "TIME LEVEL span:…: target: message key=value …" with the spans' fields at
// the end. Neither marks where the message ends: Message holds all of it. Grandine's
// compact lines are "[TIME] LEVEL target:LINE: message key=value …"
// (binary_utils/src/lib.rs).
func frameTracing(s string, res *Result) bool {
	s = res.text.stripColour(s)
	at := readTracingStamp(s)
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
	rest := cutThreadID(s[at.n+7:])
	if showsDial(rest) {
		res.Risk |= RiskDisplay
	}
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
		if second, message, ok := strings.Cut(after, ": "); ok && isModulePath(second) {
			rec.Span, rec.Logger, rec.Message, res.format = lastSpan(first), second, message, fmtTracingCompact
		}
		if i := strings.LastIndexByte(rec.Logger, ':'); i > 0 {
			if _, isLine := digits(rec.Logger[i+1:]); isLine {
				rec.Logger, res.format = rec.Logger[:i], fmtTracingCompact
			}
		}
	}
	rec.Message = cutRustSource(rec.Message)
	res.noteDisplay()
	return true
}

// cutThreadID takes off "ThreadId(01) ", which with_thread_ids puts before the spans.
func cutThreadID(s string) string {
	if inner, ok := strings.CutPrefix(s, "ThreadId("); ok {
		id, rest, _ := strings.Cut(inner, ") ")
		if _, ok := digits(id); ok {
			return rest
		}
	}
	return s
}

// cutRustSource takes off "LINE: " or "FILE.rs:LINE: ", which with_line_number and
// with_file put before the message.
func cutRustSource(message string) string {
	source, rest, _ := strings.Cut(message, ": ")
	line := source[strings.LastIndexByte(source, ':')+1:]
	file := strings.TrimSuffix(source, line)
	if _, ok := digits(line); ok && !hasSpace(file) && (file == "" || strings.HasSuffix(file, ".rs:")) {
		return rest
	}
	return message
}

// readTracingStamp reads RFC 3339, also in brackets.
func readTracingStamp(s string) stamp {
	inner, bracket := strings.CutPrefix(s, "[")
	at := readStamp(inner, 'T')
	if !bracket || at.n == 0 {
		return at
	}
	if !strings.HasPrefix(inner[at.n:], "]") {
		return stamp{}
	}
	at.n += len("[]")
	return at
}

// noteDisplay sets RiskDisplay when the record is a witness of it.
func (res *Result) noteDisplay() {
	if displaysPeerText(res.Record.Message) {
		res.Risk |= RiskDisplay
	}
}

// lastSpan gives the innermost of "outer:inner".
func lastSpan(s string) string { return s[strings.LastIndexByte(s, ':')+1:] }

// isModulePath tells whether s is surely a target and no part of a message: more
// than one word of a Rust path.
func isModulePath(s string) bool {
	return isTarget(s) && 'a' <= s[0] && s[0] <= 'z' && (strings.Contains(s, "::") || strings.Contains(s, "_"))
}

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

// displayWitnesses stand in lines that show that a node prints a peer's own text
// with Display, newlines included: its agent (Forest, src/libp2p/service.rs,
// "Banning peer"; Grandine, eth2_libp2p peer_manager/mod.rs, "RPC Error", in the
// words of peerdb/client.rs), a name it advertised and the node dialled (libp2p-core
// transport/choice.rs, libp2p-swarm lib.rs), the reason with which it closed a
// QUIC connection (quinn-proto frame.rs, in an application's error chain).
var displayWitnesses = [...]string{
	" user_agent=", " agent_version=",
	" client=Unknown: ", " client=Lighthouse: ", " client=Teku: ", " client=Nimbus: ", " client=Prysm: ", " client=Lodestar: ",
	"Connection attempt to peer failed", "Failed to dial using ", "aborted by peer: ",
}

// addressWitnesses stand before addresses as peers advertise or observe them: in
// libp2p-swarm's error of a dial (DialError, lib.rs), which Avail prints at INFO, and
// where Polkadot (discovery.rs) and Avail (event_loop.rs) say which is their own. They
// are witnesses where one has a component that multiaddr prints as a peer wrote it
// (protocol.rs).
var addressWitnesses = [...]string{
	"Failed to negotiate transport protocol(s): [(", "external address for ", "reachability confirmed on address: ",
}

var rawComponents = [...]string{"/dns", "/unix/", "/sni/", "/ip6zone/"}

// dialSpans are libp2p-swarm's spans that hold an address as it was dialled (lib.rs,
// connection/pool.rs). libp2p-tcp (lib.rs) dials the last IP address of one whatever
// stands before it, so that a peer can have his own text there and be connected.
var dialSpans = [...]string{"new_established_connection", "Transport::dial"}

// displayNeedles find those lines in colour too, which stands around a field's
// name.
var displayNeedles = [...]string{
	"user_agent", "agent_version", "Unknown: ", ": version: ", "Connection attempt to peer failed", "Failed to dial using ", "aborted by peer: ", "protocol(s): [(",
	addressWitnesses[1], addressWitnesses[2], dialSpans[0], dialSpans[1],
}

// displaysPeerText tells whether the message holds a witness outside quotes,
// between which tracing escapes: a quote of the peer's own ends none, and a witness
// that he has written between them is not the only one there can be.
func displaysPeerText(message string) bool {
	always := func(string) bool { return true }
	return slices.ContainsFunc(displayWitnesses[:], func(w string) bool { return standsBare(message, w, always) }) ||
		slices.ContainsFunc(addressWitnesses[:], func(w string) bool { return standsBare(message, w, holdsRaw) })
}

// showsDial tells whether s, a line from its spans on, has one of dialSpans with an
// address that a peer may have written.
func showsDial(s string) bool {
	return slices.ContainsFunc(dialSpans[:], func(span string) bool { return standsBare(s, span, holdsRaw) })
}

func holdsRaw(s string) bool { return holdsAny(s, rawComponents[:]) }

// standsBare tells whether witness stands outside quotes in message and before a text
// that is not quoted and that fits; what fits nowhere in a text fits nowhere in its end.
func standsBare(message, witness string, fits func(string) bool) bool {
	quoted := false
	for rest := message; ; {
		i := strings.Index(rest, witness)
		if i < 0 {
			return false
		}
		i += len(witness)
		if quoted = quoted != quoteOpen(rest[:i]); !quoted && !strings.HasPrefix(rest[i:], `"`) {
			return fits(rest[i:])
		}
		rest = rest[i:]
	}
}

func holdsAny(s string, texts []string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(s, text) })
}

// quoteOpen tells whether s holds an odd number of quotes that are not escaped.
func quoteOpen(s string) (open bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			open = !open
		}
	}
	return open
}

// tracingSpans reads "span{key=value …}:span{…}: " at the start of rest.
type tracingSpans struct {
	res    *Result
	rest   string
	fields bool // there was at least one span with fields
}

// read answers false when spans begin and don't end. It reads nothing when no
// span has fields: then they can't be told from a target.
func (t *tracingSpans) read() bool {
	start := t.rest
	for {
		n := spanNameLen(t.rest)
		if n == 0 || n == len(t.rest) || t.rest[n] == ' ' {
			break
		}
		name := t.rest[:n]
		t.rest = t.rest[n:]
		if t.rest[0] == '{' {
			t.rest, t.fields = t.rest[1:], true
			if !t.pairs(name) {
				return false
			}
		}
		if !strings.HasPrefix(t.rest, ":") {
			break
		}
		if rest, ok := strings.CutPrefix(t.rest, ": "); ok {
			if t.fields {
				t.rest, t.res.Record.Span = rest, name
				return true
			}
			break
		}
		t.rest = t.rest[1:]
	}
	if t.fields {
		return false
	}
	t.rest = start
	return true
}

// spanNameLen measures the span's name at the start of s, which may hold "::"
// ("Swarm::poll").
func spanNameLen(s string) int {
	n := 0
	for n < len(s) && s[n] != '{' && s[n] > ' ' {
		if s[n] == ':' {
			if n+1 >= len(s) || s[n+1] != ':' {
				break
			}
			n++
		}
		n++
	}
	return min(n, len(s))
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
