package parser

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// unwrapJournalJSON reads an entry of journalctl -o json. MESSAGE is a string,
// or an array of byte values when it holds a control character; _LINE_BREAK
// stands in an entry whose line journald cut (systemd.journal-fields(7)).
func unwrapJournalJSON(s string, res *Result) (string, int, bool) {
	if !strings.Contains(s, `"MESSAGE"`) || !strings.Contains(s, `"__REALTIME_TIMESTAMP"`) {
		return "", 0, false
	}
	from := len(res.members)
	all, ok := scanObject(s, res.members)
	res.members = all[:from]
	members := all[from:]
	message, at := find(members, "MESSAGE"), find(members, "__REALTIME_TIMESTAMP")
	if !ok || message == nil || at == nil {
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
	default: // null: journalctl leaves out what is too long
		ok = false
	}
	if !ok {
		res.fail(Malformed, message.at, "MESSAGE is no text")
		return "", message.at, true
	}
	if cut := find(members, "_LINE_BREAK"); cut != nil {
		res.Continues = cut.value == `"line-max"`
		res.fail(Cut, cut.at, "journald cut the line: the entry has _LINE_BREAK")
	}
	return text, message.at + 1, true
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

// unwrapExport reads the MESSAGE line of journalctl -o export.
func unwrapExport(s string, _ *Result) (string, int, bool) {
	payload, ok := strings.CutPrefix(s, "MESSAGE=")
	return payload, len("MESSAGE="), ok
}

// unwrapExportBinary reads what the export format makes of a message with
// control characters (systemd's JOURNAL_EXPORT_FORMATS): a line of its own that
// begins with the message's length, eight bytes, little-endian.
func unwrapExportBinary(s string, _ *Result) (string, int, bool) {
	const head = 8
	if len(s) <= head || s[head-1] != 0 || binary.LittleEndian.Uint64([]byte(s[:head])) != uint64(len(s)-head) {
		return "", 0, false
	}
	return s[head:], head, true
}
