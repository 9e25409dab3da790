package parser

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// unwrapJournalJSON reads an entry of journalctl -o json. MESSAGE is a string,
// or an array of byte values when it holds a control character, or null when
// journalctl found it too long.
func unwrapJournalJSON(s string, res *Result) (string, int, bool) {
	if !strings.Contains(s, `"__REALTIME_TIMESTAMP"`) && !strings.Contains(s, `"__CURSOR"`) {
		return "", 0, false
	}
	from := len(res.members)
	all, ok := scanObject(s, res.members)
	res.members = all[:from]
	if !ok {
		res.unread()
		return "", 0, false
	}
	members := all[from:]
	message, at := find(members, "MESSAGE"), find(members, "__REALTIME_TIMESTAMP")
	if message == nil || at == nil {
		return "", 0, false
	}
	if micros, err := strconv.ParseInt(strings.Trim(at.value, `"`), 10, 64); err == nil {
		res.carry(stamp{t: time.UnixMicro(micros).UTC(), zoned: true, year: true})
	}
	var text string
	switch message.kind() {
	case '"':
		text, ok = res.text.jsonText(message.value)
	case '[':
		text, ok = res.text.bytes(message.value)
	default:
		ok = false
	}
	if !ok {
		res.fail(Malformed, message.at, "MESSAGE is no text")
		text = ""
	}
	res.journalPiece(members)
	return text, message.at + 1, true
}

// journalPiece says which stream an entry belongs to and whether it is a piece
// of a line. journald marks what it cuts with _LINE_BREAK
// (systemd.journal-fields(7)); of a container, Docker's journald driver
// (moby/moby, daemon/logger/journald) and conmon mark all pieces but the last
// with CONTAINER_PARTIAL_MESSAGE, newer ones all of them with an id.
func (res *Result) journalPiece(members []member) {
	if stream := find(members, "_STREAM_ID"); stream != nil {
		res.within(stream.value, valueOf(members, "_PID"), true)
	} else if id := find(members, "CONTAINER_ID"); id != nil {
		// One priority is of standard output, another of standard error.
		res.within(res.text.join(id.value, valueOf(members, "PRIORITY")), "", true)
	}
	if cut := find(members, "_LINE_BREAK"); cut != nil {
		res.Continues = cut.value != `"eof"`
		res.interrupted = cut.value == `"pid-change"`
		res.fail(Cut, cut.at, "journald cut the line: the entry has _LINE_BREAK")
	}
	partial := find(members, "CONTAINER_PARTIAL_MESSAGE")
	if partial == nil {
		partial = find(members, "CONTAINER_PARTIAL_ID")
	} else {
		res.Continues = true
	}
	if partial != nil {
		res.fail(Cut, partial.at, "the container runtime cut the line: the entry has "+partial.key)
	}
}

func valueOf(members []member, key string) string {
	if m := find(members, key); m != nil {
		return m.value
	}
	return ""
}

// bytes decodes "[104,105]".
func (a *arena) bytes(list string) (string, bool) {
	from := a.room(len(list) / 2)
	list = list[1 : len(list)-1]
	for list != "" {
		var number string
		number, list, _ = strings.Cut(list, ",")
		n, ok := digits(strings.Trim(number, " \t"))
		if !ok || n > 255 {
			return "", false
		}
		a.b.WriteByte(byte(n))
	}
	return a.since(from), true
}

// exportStream is where the messages of an export are, apart from the other
// fields' lines.
const exportStream = "MESSAGE"

// unwrapExport reads the MESSAGE line of journalctl -o export.
func unwrapExport(s string, res *Result) (string, int, bool) {
	payload, ok := strings.CutPrefix(s, "MESSAGE=")
	if ok {
		res.within(exportStream, "", false)
	}
	return payload, len("MESSAGE="), ok
}

// unwrapExportBinary reads what the export format makes of a message with
// control characters (systemd's JOURNAL_EXPORT_FORMATS): a line of its own that
// begins with the message's length, eight bytes, little-endian.
func unwrapExportBinary(s string, res *Result) (string, int, bool) {
	const head = 8
	if len(s) <= head || s[head-1] != 0 || binary.LittleEndian.Uint64([]byte(s[:head])) != uint64(len(s)-head) {
		return "", 0, false
	}
	res.within(exportStream, "", false)
	return s[head:], head, true
}
