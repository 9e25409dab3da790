package sources

import "encoding/json"

// ownCursor returns a cursor, or none if it is one of the other kind, a file's or a
// journal's, which has key. Nothing is known of a log then: a source was changed
// from a file to a unit and kept its name. Read as its own, the cursor would say that
// nothing of the log was read yet, and all that was ever logged would be judged.
func ownCursor(text, key string) string {
	var c map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &c) != nil {
		return text // whoever parses it says what is wrong
	}
	if _, foreign := c[key]; foreign {
		return ""
	}
	return text
}
