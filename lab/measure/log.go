package measure

import (
	"regexp"
	"strings"
	"time"
)

// Line is a line of a node's log that speaks of some host.
type Line struct {
	// At is the line's own time, the zero time if it has none that is known.
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// stamped finds the time of a line: of go-libp2p's slog text ("time=" or
// "ts="), of go-log's console and of tracing (first word).
var stamped = regexp.MustCompile(`^(?:time=|ts=)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:?\d\d))`)

// Mentions gives the lines of a log in which any of some words stands, each of
// which should be part of how the node writes an address ("/ip4/192.0.2.1/").
// Nothing more is read of them: this is not to be another parser.
func Mentions(log string, words ...string) []Line {
	var found []Line
	for text := range strings.Lines(log) {
		for _, w := range words {
			if strings.Contains(text, w) {
				text = strings.TrimSuffix(text, "\n")
				found = append(found, Line{Time(text), text})
				break
			}
		}
	}
	return found
}

// Time gives the time that a line of a node's log begins with, or the zero
// time.
func Time(line string) time.Time {
	m := stamped.FindStringSubmatch(line)
	if m == nil {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.Parse(layout, m[1]); err == nil {
			return t
		}
	}
	return time.Time{}
}

// Before counts the lines up to a time.
func Before(all []Line, at time.Time) int {
	n := 0
	for _, l := range all {
		if !l.At.After(at) {
			n++
		}
	}
	return n
}
