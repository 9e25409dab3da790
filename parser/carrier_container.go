package parser

import "strings"

// dockerLog is how Docker's json-file driver begins its lines.
const dockerLog = `{"log":"`

// unwrapDocker reads a line of Docker's json-file driver
// ({"log":"…\n","stream":"stderr","time":"…"}). Docker cuts at 16 KiB; a piece
// has no newline at its end.
func unwrapDocker(s string, res *Result) (string, int, bool) {
	if !strings.HasPrefix(s, dockerLog) {
		return "", 0, false
	}
	from := len(res.members)
	all, ok := scanObject(s, res.members)
	res.members = all[:from]
	members := all[from:]
	if !ok {
		return dockerHead(s, res)
	}
	stream, at := find(members, "stream"), find(members, "time")
	if stream == nil || at == nil || at.kind() != '"' {
		return "", 0, false
	}
	log := members[0]
	text, ok := res.text.jsonText(log.value)
	if !ok {
		return "", 0, false
	}
	res.carry(readStamp(strings.Trim(at.value, `"`), 'T'))
	res.within(stream.value, "", true)
	text, whole := strings.CutSuffix(text, "\n")
	if !whole {
		res.Continues = true
		res.fail(Cut, len(s)-1, "Docker cut the line: it has no newline at its end")
	}
	return text, log.at + 1, true
}

// dockerHead reads what is left of a line of Docker's that was cut before its own
// end: escaped, a piece of 16 KiB can be longer than what is kept of a line.
func dockerHead(s string, res *Result) (string, int, bool) {
	res.unread()
	log := s[len(dockerLog):]
	end := 0
	for end < len(log) && log[end] != '"' {
		n := 1
		if log[end] == '\\' {
			if n = 2; strings.HasPrefix(log[end:], `\u`) {
				n = 6
			}
		}
		if end+n > len(log) {
			break
		}
		end += n
	}
	text, ok := res.text.jsonText(`"` + log[:end] + `"`)
	if ok {
		res.fail(Cut, len(s)-1, "a line of Docker's that was cut before its end")
	}
	return text, len(dockerLog), ok
}

// unwrapCRI reads a line of a Kubernetes container log:
// "TIME stdout|stderr F|P[:tags] text". P marks a piece that the next line
// continues.
func unwrapCRI(s string, res *Result) (string, int, bool) {
	at := readStamp(s, 'T')
	if at.n == 0 || !at.zoned {
		return "", 0, false
	}
	const name = " stderr " // as long as that of the other
	if !strings.HasPrefix(s[at.n:], name) && !strings.HasPrefix(s[at.n:], " stdout ") {
		return "", 0, false
	}
	stream, rest := s[at.n:at.n+len(name)], s[at.n+len(name):]
	tags, payload, ok := strings.Cut(rest, " ")
	tag, _, _ := strings.Cut(tags, ":")
	if !ok || tag != "F" && tag != "P" {
		return "", 0, false
	}
	res.carry(at)
	res.within(stream, "", true)
	if tag == "P" {
		res.Continues = true
		res.fail(Cut, at.n, "the container runtime cut the line: it is marked P")
	}
	return payload, len(s) - len(payload), true
}
