package parser

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// frameJSON reads lines that are one JSON object and tells the loggers apart by
// their keys.
func frameJSON(s string, res *Result) bool {
	from := len(res.members)
	members, ok := scanObject(s, res.members)
	res.members = members
	if !ok {
		if !hasCanonicalText(s) {
			return false
		}
		return res.fail(Forged, len(s)-1, "the JSON object is damaged")
	}
	res.json = jsonLine{res: res, members: members[from:]}
	j := &res.json
	for i := range jsonLayouts {
		if l := &jsonLayouts[i]; j.has(l) {
			res.format = l.format
			return j.fill(l)
		}
	}
	return false
}

// jsonLayout says where a logger puts what into its JSON object.
type jsonLayout struct {
	format format
	// first is the key that stands first, "" for any.
	first string
	// time, level and message are keys that must be there; logger and source
	// may be.
	time, level, message, logger, source string
	// more reads the other members where they are not simply fields.
	more func(j *jsonLine, l *jsonLayout) bool
}

// jsonLayouts are tried in order.
var jsonLayouts = [...]jsonLayout{
	// Go's log/slog JSONHandler, with go-libp2p's names (gologshim, v0.44 on) and
	// with its own.
	{format: fmtSlogJSON, first: "ts", time: "ts", level: "level", message: "msg", logger: "logger", source: "source"},
	{format: fmtSlogJSON, first: "time", time: "time", level: "level", message: "msg", logger: "logger", source: "source"},
	// nim-chronicles.
	{format: fmtChroniclesJSON, time: "ts", level: "lvl", message: "msg", logger: "topics", source: "file"},
	// Rust's tracing-subscriber; the message stands in "fields", or beside it
	// when the layer flattens events.
	{format: fmtTracingJSON, time: "timestamp", level: "level", message: "fields", logger: "target", more: tracingJSON},
	{format: fmtTracingJSON, time: "timestamp", level: "level", message: "message", logger: "target", more: tracingJSON},
	// logrus's JSONFormatter, which sorts the keys; "package" is Prysm's.
	{format: fmtLogrusJSON, time: "time", level: "level", message: "msg", logger: "package", source: "func"},
	// zap's JSON encoder, as ipfs/go-log v2 sets it up.
	{format: fmtGoLogJSON, time: "ts", level: "level", message: "msg", logger: "logger", source: "caller"},
}

// jsonLine is one object being read.
type jsonLine struct {
	res     *Result
	members []member
}

// has tells whether the object is of the layout.
func (j *jsonLine) has(l *jsonLayout) bool {
	if len(j.members) == 0 || l.first != "" && j.members[0].key != l.first {
		return false
	}
	return find(j.members, l.time) != nil && find(j.members, l.level) != nil && find(j.members, l.message) != nil
}

// text decodes the first member called key.
func (j *jsonLine) text(key string) string {
	m := find(j.members, key)
	if m == nil || key == "" {
		return ""
	}
	s, ok := j.res.text.jsonText(m.value)
	if !ok {
		j.fail(m, "a bad escape")
	}
	return s
}

// fill reads the record.
func (j *jsonLine) fill(l *jsonLayout) bool {
	rec := &j.res.Record
	rec.Time = readJSONTime(j.text(l.time)).complete(j.res.ref)
	rec.Level, rec.Logger, rec.Message = j.text(l.level), j.text(l.logger), j.text(l.message)
	if m := find(j.members, l.source); m != nil && m.kind() == '"' {
		rec.Source = j.text(l.source)
	}
	for i := range j.members {
		m := &j.members[i]
		switch m.key {
		case l.time, l.level, l.message, l.logger, l.source:
			if find(j.members, m.key) != m {
				return j.fail(m, "a member of the record stands twice")
			}
		}
	}
	switch {
	case j.res.failed():
		return true
	case l.more != nil:
		return l.more(j, l)
	case l.format == fmtGoLogJSON && rec.Logger == canonicalLogger:
		return j.canonical(find(j.members, l.message))
	case l.format == fmtSlogJSON && l.time == "time" && isCanonicalTag(rec.Message):
		return j.canonicalMembers(l)
	}
	return j.fields(l)
}

// fields adds the members that are not the layout's own.
func (j *jsonLine) fields(l *jsonLayout) bool {
	for i := range j.members {
		m := &j.members[i]
		switch m.key {
		case l.time, l.level, l.message, l.logger, l.source:
			continue
		}
		if m.kind() == '{' || m.kind() == '[' {
			continue
		}
		if v, ok := j.res.text.jsonText(m.value); !ok || !j.res.add("", m.key, v) {
			return j.fail(m, "a member that can't be read, or too many")
		}
	}
	return true
}

// canonical reads the canonical text that is the whole of the message.
func (j *jsonLine) canonical(m *member) bool {
	rec := &j.res.Record
	if !isGoSource(rec.Source) {
		return j.fail(m, "a canonical record without its source position")
	}
	msg := rec.Message
	rec.Message = ""
	n := canonicalText(msg, "", m.at+1, j.res)
	if !j.res.failed() && n != len(msg) {
		j.res.fail(Forged, m.at+1, "text after the record's last field")
	}
	return true
}

// canonicalMembers reads the JSON form of a canonical record
// (docs/canonical-log.md, json): each field is a member of its own, in any order,
// and the application's words are called reason.
func (j *jsonLine) canonicalMembers(l *jsonLayout) bool {
	rec, at := &j.res.Record, find(j.members, l.message).at
	rec.Tag, rec.Message = rec.Message, ""
	source := find(j.members, l.source)
	switch {
	case rec.Logger != "":
		return j.res.fail(Forged, at, "a canonical record from a logger that writes none")
	case source == nil || source.kind() != '{' && !isSource(rec.Source):
		return j.res.fail(Forged, at, "a canonical record without its source position")
	}
	if j.fields(l); j.res.failed() {
		return true
	}
	for i := range rec.Fields {
		if f := &rec.Fields[i]; f.Key == "reason" && rec.Tag == tagMisbehaving {
			f.Key = "msg"
		}
	}
	place := func(f Field) int {
		if i := slices.Index(canonicalOrder[:], f.Key); i >= 0 {
			return i
		}
		return len(canonicalOrder)
	}
	slices.SortStableFunc(rec.Fields, func(a, b Field) int { return place(a) - place(b) })
	return checkCanonical(j.res, at)
}

// canonicalOrder is the order of the text form.
var canonicalOrder = [...]string{"peer", "addr", "net_addr", "sample_rate", "component", "err", "msg"}

func (j *jsonLine) fail(m *member, detail string) bool {
	r := Malformed
	if hasCanonicalText(j.res.Record.Message) {
		r = Forged
	}
	return j.res.fail(r, m.at, detail)
}

// readJSONTime reads the forms in which loggers write times into JSON: RFC 3339,
// the same with a space, with or without a zone, the short form of Lighthouse's
// terminal, and zap's seconds since 1970.
func readJSONTime(s string) stamp {
	for _, sep := range [...]byte{'T', ' '} {
		if at := readStamp(s, sep); at.n == len(s) && at.n > 0 {
			return at
		}
	}
	if at := readShortStamp(s); at.n == len(s) && at.n > 0 {
		return at
	}
	sec, err := strconv.ParseFloat(s, 64)
	if err != nil || sec < 0 || sec > math.MaxUint32 {
		return stamp{}
	}
	whole, fraction := math.Modf(sec)
	t := time.Unix(int64(whole), int64(fraction*1e9)).UTC()
	return stamp{t: t, n: len(s), zoned: true, year: true}
}
