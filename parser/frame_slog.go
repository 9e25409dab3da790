package parser

import "strings"

// frameSlogText reads the lines of Go's log/slog TextHandler. go-libp2p from
// v0.44 on prints its canonical records so ("time=… level=INFO source=FILE:LINE
// msg=CANONICAL_PEER_STATUS peer=…", p2p/canonicallog/canonicallog.go), and its
// other loggers with "ts=" and lower-case levels (gologshim).
func frameSlogText(s string, res *Result) bool {
	t := slogText{s: s, res: res}
	if !t.head() {
		return false
	}
	key, msg, ok := t.pair()
	rec := &res.Record
	if ok && key == "source" {
		rec.Source = msg
		key, msg, ok = t.pair()
	}
	if !ok || key != "msg" {
		return t.fail("no msg after the level")
	}
	msgAt := t.start
	switch canonical := isCanonicalTag(msg); {
	case canonical && !t.canonicalLogger:
		return res.fail(Forged, msgAt, "a canonical record from a logger that writes none")
	case canonical && !isSource(rec.Source):
		return res.fail(Forged, msgAt, "a canonical record without its source position")
	case canonical:
		rec.Tag = msg
	default:
		rec.Message = msg
	}
	if !t.attributes() || rec.Tag == "" {
		return true
	}
	if rec.Logger != "" {
		return res.fail(Forged, msgAt, "a canonical record from a logger that writes none")
	}
	return checkCanonical(res, msgAt)
}

// head reads the time and the level; false when s is no such line.
func (t *slogText) head() bool {
	key, value, ok := t.pair()
	if !ok || key != "time" && key != "ts" {
		return false
	}
	at := readStamp(value, 'T')
	if at.n != len(value) || !at.zoned {
		return false
	}
	t.canonicalLogger = key == "time"
	if key, value, ok = t.pair(); !ok || key != "level" {
		return false
	}
	t.res.Record.Time, t.res.Record.Level, t.res.format = at.t, value, fmtSlogText
	return true
}

// attributes reads what follows the message; false when the line was rejected.
func (t *slogText) attributes() bool {
	rec := &t.res.Record
	for t.more() {
		key, value, ok := t.pair()
		switch {
		case !ok:
			t.fail("a key=value pair that slog does not write so")
			return false
		case key == "logger" && rec.Logger == "":
			rec.Logger = value
		case !t.res.add("", key, value):
			t.res.fail(Malformed, t.start, "too many fields")
			return false
		}
	}
	return true
}

// slogText is a cursor over space-separated key=value pairs.
type slogText struct {
	s     string
	res   *Result
	pos   int
	start int // where the pair last read begins
	bad   int // where reading failed
	// canonicalLogger is set when the line is one of go-libp2p's canonicallog,
	// which begins with "time="; its other loggers begin with "ts=".
	canonicalLogger bool
}

func (t *slogText) more() bool { return t.pos < len(t.s) }

func (t *slogText) fail(detail string) bool {
	why := Malformed
	if t.res.Record.Tag == "" {
		why = malformedOrForged(t.s)
	}
	return t.res.fail(why, t.bad, detail)
}

// pair reads one key=value and the single space before the next.
func (t *slogText) pair() (key, value string, ok bool) {
	t.start = t.pos
	if key, ok = t.token(true); !ok || len(key) > MaxKey {
		return "", "", false
	}
	t.pos++ // '='
	if value, ok = t.token(false); !ok {
		return "", "", false
	}
	if t.pos == len(t.s) {
		return key, value, true
	}
	t.pos++ // ' '
	if t.pos == len(t.s) {
		t.bad = t.pos - 1
		return "", "", false
	}
	return key, value, true
}

// token reads a key (up to '=') or a value (up to a space or the end), bare or
// quoted as slog itself decides; writers without Unicode's tables may quote what
// is not ASCII (docs/canonical-log.md, quoting).
func (t *slogText) token(isKey bool) (string, bool) {
	rest := t.s[t.pos:]
	t.bad = t.pos
	if strings.HasPrefix(rest, `"`) {
		return t.quoted(rest, isKey)
	}
	n := 0
	for n < len(rest) && rest[n] > ' ' && rest[n] != '=' && rest[n] != '"' {
		n++
	}
	t.pos += n
	t.bad = t.pos
	if n == 0 || !t.delimited(isKey) || slogQuotes(rest[:n]) {
		return "", false
	}
	return rest[:n], true
}

func (t *slogText) quoted(rest string, isKey bool) (string, bool) {
	n := quotedEnd(rest)
	if n < 0 {
		return "", false
	}
	v, ok := t.res.text.unquote(rest[:n])
	if !ok || !slogQuotes(v) && isASCII(v) {
		return "", false
	}
	t.pos += n
	t.bad = t.pos
	return v, t.delimited(isKey)
}

// delimited tells whether the token just read ends where its kind must.
func (t *slogText) delimited(isKey bool) bool {
	if isKey {
		return t.pos < len(t.s) && t.s[t.pos] == '='
	}
	return t.pos == len(t.s) || t.s[t.pos] == ' '
}
