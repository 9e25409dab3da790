package parser

import (
	"net/netip"
	"strings"
)

// maxCarriers bounds how deep a line may be wrapped (a syslog line inside a
// container's JSON).
const maxCarriers = 2

// carrier is something that wraps each line it passes on.
type carrier struct {
	name string
	// first is the set of bytes that its lines can begin with; any if empty.
	first string
	// unwrap gives what is wrapped and how many bytes stand before it; ok is
	// false when s is no such line. It may reject the line (res.fail).
	unwrap func(s string, res *Result) (payload string, before int, ok bool)
}

// carriers are tried in order.
var carriers = [...]carrier{
	{"docker-json", "{", unwrapDocker},
	{"journalctl-json", "{", unwrapJournalJSON},
	{"journalctl-export", "M", unwrapExport},
	{"syslog-5424", "<", unwrapSyslog5424},
	{"syslog", "<ADFJMNOS", unwrapSyslog},
	{"journalctl-export", "", unwrapExportBinary},
	{"cri", "12", unwrapCRI},
	{"syslog-iso", "12", unwrapSyslogISO},
}

// unwrap takes the carriers off a line, and a carriage return at its end. full is
// set where the line, or what was wrapped, is as long as journald makes one: what
// looks like a carrier in a piece may be the stranger's.
func unwrap(text string, res *Result) (s string, full bool) {
	s = strings.TrimSuffix(text, "\r")
	end := len(text) - len(s)
	full = len(s) == journalLineMax || len(text) == journalLineMax
	for depth := 0; depth < maxCarriers && s != "" && !res.failed(); depth++ {
		found := false
		for i := range carriers {
			c := &carriers[i]
			if c.first != "" && strings.IndexByte(c.first, s[0]) < 0 {
				continue
			}
			if payload, before, ok := c.unwrap(s, res); ok {
				s, found = payload, true
				res.base += before
				if res.Carrier == "" {
					res.Carrier, res.told = c.name, res.Continues
				}
				full = full || len(s) == journalLineMax || len(s)+end == journalLineMax
				break
			}
		}
		if !found {
			break
		}
	}
	return s, full
}

// carry notes the carrier's time; the outermost complete one counts.
func (res *Result) carry(at stamp) {
	if full := at.zoned && at.year; full || !res.carried.full {
		if t := at.complete(res.ref); !t.IsZero() && !res.carried.full {
			res.carried = carried{time: t, full: full}
		}
	}
}

// unwrapSyslog reads what syslog daemons and journalctl -o short write: an
// optional <PRI>, "Jan _2 15:04:05 host tag[pid]: " (RFC 3164 §4.1).
func unwrapSyslog(s string, res *Result) (string, int, bool) {
	rest, ok := cutPriority(s)
	if !ok {
		return "", 0, false
	}
	at := readShortStamp(rest)
	if at.n == 0 {
		return "", 0, false
	}
	return unwrapSyslogHead(s, len(s)-len(rest)+at.n, at, res)
}

// unwrapSyslogISO reads the same with a full stamp: rsyslog's RFC 3339 template
// and journalctl -o short-iso.
func unwrapSyslogISO(s string, res *Result) (string, int, bool) {
	at := readStamp(s, 'T')
	if at.n == 0 || !at.zoned {
		return "", 0, false
	}
	return unwrapSyslogHead(s, at.n, at, res)
}

// unwrapSyslogHead reads what follows the stamp at, which ends before byte from.
func unwrapSyslogHead(s string, from int, at stamp, res *Result) (string, int, bool) {
	payload, ok := cutSyslogHead(s[from:])
	if !ok {
		return "", 0, false
	}
	before := len(s) - len(payload)
	res.carry(at)
	res.within(s[from:before], "", false)
	return payload, before, true
}

// cutPriority takes off "<13>", if it is there.
func cutPriority(s string) (rest string, ok bool) {
	if s[0] != '<' {
		return s, true
	}
	pri, rest, ok := strings.Cut(s[1:], ">")
	n, isNumber := digits(pri)
	return rest, ok && isNumber && n < 192 && rest != ""
}

// cutSyslogHead takes off " host tag[pid]: ".
func cutSyslogHead(s string) (payload string, ok bool) {
	s, ok = strings.CutPrefix(s, " ")
	if !ok {
		return "", false
	}
	host, rest, ok := strings.Cut(s, " ")
	if !ok || !isHostName(host) {
		return "", false
	}
	tag, payload, ok := strings.Cut(rest, ": ")
	if !ok || !isSyslogTag(tag) {
		return "", false
	}
	return payload, true
}

// levelNames are what loggers put where syslog puts the host. A line of such a
// logger is no syslog line, or a stranger's "x: " at the start of its message
// would pass for a tag.
const levelNames = " trace debug info notice warn warning error fatal panic crit critical trc dbg inf ntc not wrn err ftl fat pnc trce debg erro "

// isHostName tells whether s can be the host in a syslog line.
func isHostName(s string) bool {
	if isLevel(s) && strings.Contains(levelNames, " "+strings.ToLower(s)+" ") {
		return false
	}
	if strings.Contains(s, ":") {
		_, err := netip.ParseAddr(s)
		return err == nil
	}
	return s != "" && len(s) <= 255 && !hasSpace(s)
}

// maxSyslogTag bounds the tag with its pid; RFC 3164 allows 32 for the name,
// and systemd's unit names are longer.
const maxSyslogTag = 96

func isSyslogTag(s string) bool {
	if name, pid, ok := strings.Cut(s, "["); ok {
		pid, closed := strings.CutSuffix(pid, "]")
		if _, number := digits(pid); !closed || !number {
			return false
		}
		s = name
	}
	return s != "" && len(s) <= maxSyslogTag && !hasSpace(s) && !strings.ContainsAny(s, ":{}=\"")
}

// unwrapSyslog5424 reads "<PRI>1 TIME HOST APP PROCID MSGID SD MSG" (RFC 5424 §6).
func unwrapSyslog5424(s string, res *Result) (string, int, bool) {
	rest, ok := cutPriority(s)
	if !ok || !strings.HasPrefix(rest, "1 ") {
		return "", 0, false
	}
	rest = rest[2:]
	at := readStamp(rest, 'T')
	if at.n == 0 && !strings.HasPrefix(rest, "- ") {
		return "", 0, false
	}
	from, to := 0, 0   // host, app and procid
	for i := range 5 { // time, host, app, procid, msgid
		var word string
		if word, rest, ok = strings.Cut(rest, " "); !ok || word == "" {
			return "", 0, false
		}
		switch i {
		case 0:
			from = len(s) - len(rest)
		case 3:
			to = len(s) - len(rest)
		}
	}
	if rest, ok = cutStructuredData(rest); !ok {
		return "", 0, false
	}
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, " "), "\ufeff")
	if at.n > 0 {
		res.carry(at)
	}
	res.within(s[from:to], "", false)
	return rest, len(s) - len(rest), true
}

// cutStructuredData takes off "-" or "[id key=\"value\"]…".
func cutStructuredData(s string) (string, bool) {
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		return rest, true
	}
	for n := 0; strings.HasPrefix(s, "["); n++ {
		quoted := false
		i := 1
		for ; i < len(s) && (quoted || s[i] != ']'); i++ {
			switch {
			case s[i] == '"':
				quoted = !quoted
			case s[i] == '\\' && quoted:
				i++
			}
		}
		if i >= len(s) {
			return "", false
		}
		s = s[i+1:]
		if s == "" || s[0] == ' ' {
			return s, true
		}
	}
	return "", false
}
