package parser

import "strings"

// The separators of a zap console line: a tab, a tab as rsyslog escapes it, and
// a tab as journalctl shows it.
var consoleTabs = [...]string{"\t", "#011", "        "}

// frameGoLogConsole reads the lines of ipfs/go-log v2 in its console formats
// (nocolor and color), which are those of zap's console encoder:
// "TIME<TAB>LEVEL<TAB>LOGGER<TAB>dir/file.go:LINE<TAB>MESSAGE[<TAB>{labels}]".
// go-libp2p up to v0.43 prints its canonical records so, by the logger
// "canonical-log".
func frameGoLogConsole(s string, res *Result) bool {
	at := readStamp(s, 'T')
	if at.n == 0 || !at.zoned {
		return false
	}
	tab := ""
	for _, t := range consoleTabs {
		if strings.HasPrefix(s[at.n:], t) {
			tab = t
			break
		}
	}
	if tab == "" {
		return false
	}
	rec := &res.Record
	rest := s[at.n+len(tab):]
	level, rest, ok := strings.Cut(rest, tab)
	if rec.Level = stripLevelColour(level); !ok || !isLevel(rec.Level) {
		return false
	}
	rec.Time, res.format = at.t, fmtGoLogConsole
	logger, afterLogger, ok := strings.Cut(rest, tab)
	switch {
	case ok && isGoSource(logger): // zap without a logger's name
		rec.Source, rec.Message = logger, afterLogger
	case !ok || len(logger) > MaxLogger || hasSpace(logger): // and without the position
		rec.Message = rest
	default:
		rec.Logger, rest = logger, afterLogger
		if source, message, ok := strings.Cut(rest, tab); ok && isGoSource(source) {
			rec.Source, rest = source, message
		}
		if rec.Logger == canonicalLogger {
			return canonicalConsole(s, rest, tab, res)
		}
		rec.Message = rest
		trailingFields(tab, res)
	}
	res.Risk |= consoleRisk(rec, tab)
	return true
}

// trailingFields splits the message from the JSON that zap puts behind it. It
// looks from the first tab on: a message that has one of its own is left alone,
// unless JSON to the very end follows, and then the rule's test of the whole
// message decides.
func trailingFields(tab string, res *Result) {
	rec := &res.Record
	message, object, ok := strings.Cut(rec.Message, tab)
	if !ok || !strings.HasPrefix(object, "{") {
		return
	}
	from := len(res.members)
	all, ok := scanObject(object, res.members)
	res.members = all[:from]
	if !ok {
		return
	}
	for i := range all[from:] {
		m := &all[from+i]
		v, ok := res.text.jsonText(m.value)
		if !ok || !res.add("", m.key, v) {
			rec.Fields = rec.Fields[:0]
			return
		}
	}
	rec.Message = message
}

// canonicalLogger is the logger's name of canonical records in go-libp2p up to
// v0.43 (core/canonicallog/canonicallog.go).
const canonicalLogger = "canonical-log"

// Loggers of go-libp2p that up to v0.43 print what a peer writes unescaped.
const (
	// identifyLogger prints what peers answer to identify
	// (p2p/protocol/identify/id.go).
	identifyLogger = "net/identify"
	// swarmLogger prints addresses that the node dials, at WARN those that can't
	// be resolved (p2p/net/swarm/swarm_dial.go). Their peers have advertised
	// them, and a component such as /unix takes in anything.
	swarmLogger = "swarm2"
)

// consoleRisk says of which hole the line is a witness. Lines of go-libp2p's
// loggers at higher levels show that WARN is off.
func consoleRisk(rec *Record, tab string) Risks {
	message, _, _ := strings.Cut(rec.Message, tab)
	low, high := false, false
	switch rec.Level {
	case "DEBUG", "INFO":
		low = true
	case "ERROR", "DPANIC", "PANIC", "FATAL":
		high = true
	}
	switch {
	case !high && rec.Logger == identifyLogger && !plainWords(message):
		return RiskIdentify
	case !high && rec.Logger == swarmLogger && !plainWords(message):
		return RiskSwarm
	case low && strings.HasPrefix(rec.Logger, bitswapLogger) && !plainWords(message):
		return RiskAnswer
	case holdsAnswer(message):
		return RiskAnswer
	}
	return 0
}

// plainWords tells whether a message can't hold a peer's text: whatever go-libp2p
// prints of a peer by %s stands behind a colon, an id or an address. From v0.44 on
// its messages are constants, and the peer's text stands in JSON behind them; that
// there is JSON shows nothing, for a peer can write it behind his own text.
func plainWords(message string) bool {
	return strings.TrimLeft(message, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ,.'[]") == ""
}

func canonicalConsole(s, message, tab string, res *Result) bool {
	at := len(s) - len(message)
	if res.Record.Source == "" {
		return res.fail(Forged, at, "a canonical record without its source position")
	}
	n := canonicalText(message, tab, at, res)
	if res.failed() || n == len(message) {
		return true
	}
	labels, ok := strings.CutPrefix(message[n:], tab)
	if !ok {
		return res.fail(Forged, at+n, "text after the record's last field")
	}
	if res.members, ok = scanObject(labels, res.members); !ok {
		return res.fail(Forged, at+n+len(tab), "text after the record's last field that is no labels' JSON")
	}
	return true
}

// stripLevelColour takes the colour off a level: "ESC[34mINFOESC[0m", also with
// ESC as rsyslog escapes it.
func stripLevelColour(s string) string {
	for _, esc := range [...]string{"\x1b[", "#033["} {
		rest, ok := strings.CutPrefix(s, esc)
		if !ok {
			continue
		}
		colour, rest, ok := strings.Cut(rest, "m")
		level, ok2 := strings.CutSuffix(rest, esc+"0m")
		if _, isNumber := digits(colour); ok && ok2 && isNumber {
			return level
		}
	}
	return s
}

// isLevel tells whether s is made like a level: a few letters.
func isLevel(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return len(s) >= 3 && len(s) <= 8
}
