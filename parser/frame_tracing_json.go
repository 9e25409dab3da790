package parser

import "strings"

// tracingJSON reads what tracing-subscriber's JSON format nests: the event's
// fields in "fields", the innermost span in "span", all of them in "spans".
func tracingJSON(j *jsonLine, l *jsonLayout) bool {
	rec := &j.res.Record
	fields := find(j.members, "fields")
	if fields != nil && fields.kind() != '{' {
		return false
	}
	if fields != nil {
		rec.Message = ""
		if !j.nested(fields, "", func(key, value string) bool {
			if key != "message" {
				return false
			}
			rec.Message = value
			return true
		}) {
			return j.fail(fields, "fields that can't be read, or too many")
		}
	} else {
		for i := range j.members {
			switch m := &j.members[i]; m.key {
			case l.time, l.level, l.message, l.logger, "span", "spans":
			default:
				if v, ok := j.res.text.jsonText(m.value); !ok || !j.res.add("", m.key, v) {
					return j.fail(m, "a member that can't be read, or too many")
				}
			}
		}
	}
	span := find(j.members, "span")
	if span == nil || span.kind() != '{' {
		return true
	}
	if rec.Span = j.spanName(span); rec.Span == "" {
		return j.fail(span, "a span without a name")
	}
	if !j.nested(span, rec.Span, func(key, _ string) bool { return key == "name" }) {
		return j.fail(span, "a span that can't be read")
	}
	return true
}

// spanName gives the name member of a span.
func (j *jsonLine) spanName(span *member) string {
	from := len(j.res.members)
	members, ok := scanObject(span.value, j.res.members)
	j.res.members = members[:from]
	if m := find(members[from:], "name"); ok && m != nil && m.kind() == '"' {
		return strings.Trim(m.value, `"`)
	}
	return ""
}

// nested adds the members of an object as fields of scope, but those that take
// keeps for itself. A key that stands twice is refused.
func (j *jsonLine) nested(object *member, scope string, take func(key, value string) bool) bool {
	from := len(j.res.members)
	members, ok := scanObject(object.value, j.res.members)
	j.res.members = members[:from]
	members = members[from:]
	if !ok {
		return false
	}
	for i := range members {
		m := &members[i]
		v, ok := j.res.text.jsonText(m.value)
		if !ok || find(members, m.key) != m {
			return false
		}
		if !take(m.key, v) && !j.res.add(scope, m.key, v) {
			return false
		}
	}
	return true
}
