package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// scanJSON takes the top level of an object apart. Values that are objects or
// arrays are kept as their text.
func scanJSON(s string) ([]field, *violation) {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var fields []field
	seen := map[string]bool{}
	bad := func(detail string) *violation { return broken(JSON, int(dec.InputOffset()), "%s", detail) }
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, bad("the line is no JSON object")
	}
	for dec.More() {
		t, err := dec.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return fields, bad("the object is damaged")
		}
		f := field{key: key, keyAt: strings.LastIndexByte(s[:dec.InputOffset()], '"') - len(key)}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return fields, bad("the value of " + quoteShort(key) + " can't be read (a raw control character, or a bad escape)")
		}
		f.at = int(dec.InputOffset()) - len(raw)
		f.escapes = bytes.IndexByte(raw, '\\') >= 0
		f.set(raw)
		if seen[key] {
			return fields, broken(JSON, f.at, "the name %s stands twice: readers differ in which they take", quoteShort(key))
		}
		seen[key] = true
		fields = append(fields, f)
	}
	if _, err := dec.Token(); err != nil {
		return fields, bad("the object is not closed")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fields, bad("text after the object")
	}
	return fields, nil
}

// set decodes a value; of other kinds than strings and numbers it keeps the text.
func (f *field) set(raw json.RawMessage) {
	switch c := raw[0]; {
	case c == '"':
		f.quoted = true
		// The decoder has read the value already.
		_ = json.Unmarshal(raw, &f.value)
	default:
		f.number = c == '-' || '0' <= c && c <= '9'
		f.value = string(raw)
	}
}
