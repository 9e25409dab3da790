package conformance

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Check holds one line, without its newline, against the specification.
func Check(line string) Verdict {
	name := mentioned(line)
	if name == "" {
		return Verdict{}
	}
	v := Verdict{Record: name}
	rec, bad := takeApart(line)
	if bad == nil && rec == nil {
		return Verdict{} // a clean line of another logger: the name stands inside a value
	}
	if rec != nil {
		v.Record, v.Form, v.rec = rec.tag, rec.form, rec
	}
	if bad == nil {
		bad = rec.check()
		v.Kind = rec.kind
	}
	if bad == nil {
		bad = bounds(line, rec)
	}
	if bad == nil {
		v.Host, v.Nobody = rec.accuses()
		if v.Host.IsValid() && v.Host.String() == Victim {
			f, _ := rec.get("addr")
			bad = broken(Escape, f.at, "the record accuses %s, which stands in nothing but the hostile texts: a peer wrote this line", Victim)
		}
	}
	if bad != nil {
		v.Clause, v.Column, v.Detail = bad.clause, bad.at+1, bad.detail
	}
	return v
}

// mentioned gives the name of a record that stands anywhere in the line.
func mentioned(line string) string {
	switch {
	case strings.Contains(line, status):
		return status
	case strings.Contains(line, misbehaving):
		return misbehaving
	}
	return ""
}

// takeApart reads a line of either form as far as its name. It gives nil
// without a violation for a clean line that is another logger's.
func takeApart(line string) (*record, *violation) {
	if bad := unclean(line); bad != nil {
		return nil, bad
	}
	switch {
	case strings.HasPrefix(line, "{"):
		return takeJSON(line)
	case strings.HasPrefix(line, "time="), strings.HasPrefix(line, "ts="):
		return takeText(line)
	}
	if i := strings.Index(line, mentioned(line)+": "); i >= 0 && legacy(line) {
		return nil, broken(Header, i, "this is the form of go-libp2p up to v0.43, in which a peer can forge whole lines; write msg=%s", mentioned(line))
	}
	return nil, broken(Tag, strings.Index(line, mentioned(line)), "a record's name in a line that is no record: it must stand quoted inside a value, or not at all")
}

// unclean finds what no line of either form may hold, wherever it stands.
func unclean(line string) *violation {
	for i := 0; i < len(line); i++ {
		if c := line[i]; c < ' ' || c == 0x7f {
			if legacy(line) {
				continue // it has tabs and colours, and is told what it is
			}
			return broken(Escape, i, "a raw control character")
		}
	}
	if !utf8.ValidString(line) {
		i := 0
		for r, size := utf8.DecodeRuneInString(line); r != utf8.RuneError || size != 1; r, size = utf8.DecodeRuneInString(line[i:]) {
			i += size
		}
		return broken(Escape, i, "bytes that are no UTF-8")
	}
	return nil
}

// legacy tells whether a line is of go-libp2p up to v0.43, on the console.
func legacy(line string) bool { return strings.Contains(line, "\tcanonical-log\t") }

func takeText(line string) (*record, *violation) {
	all, bad := scanText(line)
	at := 3 // of msg, behind time, level and source
	if len(all) > 2 && all[2].key == "msg" {
		at = 2 // one is missing: checkHeader says so
	}
	named := len(all) > at && all[at].key == "msg" && (all[at].value == status || all[at].value == misbehaving)
	if !named {
		for i := range all {
			switch f := &all[i]; {
			case f.key != "msg":
			case f.value == status || f.value == misbehaving:
				return nil, broken(Header, f.keyAt, "msg with the record's name must follow time, level and source")
			case mentioned(f.value) != "" && strings.HasPrefix(f.value, mentioned(f.value)):
				return nil, broken(Tag, f.at, "the record's name must be the whole of msg")
			}
		}
		return nil, bad
	}
	rec := &record{form: textForm, tag: all[at].value, fields: all[at+1:]}
	if bad != nil {
		return rec, bad
	}
	return rec, checkHeader(all[:at], line)
}

func takeJSON(line string) (*record, *violation) {
	all, bad := scanJSON(line)
	rec := &record{form: jsonForm}
	var head []field
	for i := range all {
		switch f := &all[i]; {
		case f.key == "msg" && (f.value == status || f.value == misbehaving):
			rec.tag = f.value
		case f.key == "msg" && (strings.HasPrefix(f.value, status+": ") || strings.HasPrefix(f.value, misbehaving+": ")):
			return nil, broken(Header, f.at, "this is the form of go-libp2p up to v0.43; in JSON every field is a member of its own")
		case slices.Contains(headKeys[:], f.key):
			head = append(head, *f)
		default:
			rec.fields = append(rec.fields, *f)
		}
	}
	switch {
	case bad != nil:
		return nil, bad
	case rec.tag == "":
		return nil, nil
	case all[0].key != "time":
		return rec, broken(Header, all[0].keyAt, "time is the first member")
	}
	// Behind time the order of the members is free.
	slices.SortStableFunc(head, func(a, b field) int {
		return slices.Index(headKeys[:], a.key) - slices.Index(headKeys[:], b.key)
	})
	return rec, checkHeader(head, line)
}

var headKeys = [...]string{"time", "level", "source"}
