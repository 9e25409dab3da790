package parser

import "strings"

// framePolkadot reads polkadot-sdk's own layout of tracing
// (substrate/client/tracing/src/logging/event_format.rs):
// "2006-01-02 15:04:05[.000] LEVEL thread target: [prefix] message". The time is
// local and has no zone; the thread's name is padded on the left to the longest that has
// logged. At plain INFO it leaves out level, thread and target;
// such lines are not read.
func framePolkadot(s string, res *Result) bool {
	s = res.text.stripColour(s)
	at := readStamp(s, ' ')
	if at.n == 0 || len(s) < at.n+8 || s[at.n] != ' ' || s[at.n+6] != ' ' {
		return false
	}
	rec := &res.Record
	rec.Level = strings.TrimPrefix(s[at.n+1:at.n+6], " ")
	switch rec.Level {
	case "TRACE", "DEBUG", "INFO", "WARN", "ERROR":
	default:
		return false
	}
	_, rest, ok := strings.Cut(strings.TrimLeft(s[at.n+7:], " "), " ")
	if !ok {
		return false
	}
	target, message, ok := strings.Cut(rest, ": ")
	if !ok || !isTarget(target) {
		return false
	}
	if strings.HasPrefix(message, "[") {
		if _, after, ok := strings.Cut(message, "] "); ok {
			message = after
		}
	}
	rec.Time, rec.Logger, rec.Message, res.format = at.complete(res.ref), target, message, fmtPolkadot
	res.noteDisplay()
	return true
}

// lighthouseWitnesses stand in lines in which Lighthouse prints a peer's own text:
// its agent (peer_manager/mod.rs, peerdb/client.rs) and the reason with which it
// closed a QUIC connection. Neither layout escapes a text, also where it puts
// quotes around it.
var lighthouseWitnesses = [...]string{"agent_version: ", "client: ", "aborted by peer: "}

// frameLighthouse reads Lighthouse's two text layouts, which have the same
// beginning: slog's terminal format (until v6; levels DEBG, ERRO, CRIT) and
// that of its tracing layer (common/logging/src/tracing_logging_layer.rs):
// "Jan _2 15:04:05.000 LEVEL message   key: value, key: value". Neither marks
// where the message ends: Message holds all of it.
func frameLighthouse(s string, res *Result) bool {
	s = res.text.stripColour(s)
	at := readShortStamp(s)
	if at.n < len("Jan _2 15:04:05.000") || at.n >= len(s) || s[at.n] != ' ' {
		return false
	}
	level, message, ok := strings.Cut(s[at.n+1:], " ")
	if !ok {
		return false
	}
	res.format = fmtLighthouse
	switch level {
	case "TRCE", "DEBG", "ERRO", "CRIT":
		res.format = fmtLighthouseSlog
	case "TRACE", "DEBUG", "INFO", "WARN", "ERROR":
	default:
		return false
	}
	rec := &res.Record
	rec.Time, rec.Level, rec.Message = at.complete(res.ref), level, strings.Trim(message, " ")
	for _, witness := range lighthouseWitnesses {
		if strings.Contains(rec.Message, witness) {
			res.Risk |= RiskDisplay
		}
	}
	return true
}

// framePython reads the layout of py-libp2p's own handlers
// (libp2p/utils/logging.py): "%(asctime)s - %(name)s - %(levelname)s - %(message)s".
// The time is local and has no zone.
func framePython(s string, res *Result) bool {
	at := readStamp(s, ' ')
	if at.n == 0 {
		return false
	}
	const dash = " - "
	rest, ok1 := strings.CutPrefix(s[at.n:], dash)
	name, rest, ok2 := strings.Cut(rest, dash)
	level, message, ok3 := strings.Cut(rest, dash)
	if !ok1 || !ok2 || !ok3 || !isTarget(name) || !isLevel(level) {
		return false
	}
	rec := &res.Record
	rec.Time, rec.Logger, rec.Level, rec.Message = at.complete(res.ref), name, level, message
	res.format = fmtPython
	if strings.Contains(message, handshakeContents) {
		res.Risk |= RiskHandshakeContents
	}
	if printsPeersWords(rec) {
		res.Risk |= RiskPeersWords
	}
	return true
}

// framePrysm reads Prysm's terminal layout of logrus:
// "[2006-01-02 15:04:05.00] LEVEL prefix: message key=value …". Values are not
// quoted, and Message holds them too.
func framePrysm(s string, res *Result) bool {
	s = res.text.stripColour(s)
	if !strings.HasPrefix(s, "[") { // nothing may be left without the colour
		return false
	}
	at := readStamp(s[1:], ' ')
	if at.n == 0 {
		return false
	}
	rest, ok := strings.CutPrefix(s[1+at.n:], "] ")
	if !ok {
		return false
	}
	level, rest, ok1 := strings.Cut(strings.TrimLeft(rest, " "), " ")
	prefix, message, ok2 := strings.Cut(strings.TrimLeft(rest, " "), ": ")
	if !ok1 || !ok2 || !isLevel(level) || !isTarget(strings.ReplaceAll(prefix, "/", "-")) {
		return false
	}
	rec := &res.Record
	rec.Time, rec.Level, rec.Logger, rec.Message = at.complete(res.ref), level, prefix, message
	res.format = fmtPrysm
	return true
}
