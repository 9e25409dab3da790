package sources

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// maxCutStreams bounds the streams whose next entry is known to continue a cut
// one. A stream is one process's standard output; it stays in the list until
// its next entry, for ever if there is none. The oldest makes room.
const maxCutStreams = 64

// journalCursorVersion is the form of a journal cursor written by this version:
//
//	{"v":1,"cursor":"s=…;i=…","cut":["stream",…]}
const journalCursorVersion = 1

type journalCursor struct {
	Version int `json:"v"`
	// Cursor is journald's own; empty where there was no entry yet.
	Cursor string `json:"cursor"`
	// Cut are the streams whose next entry continues a cut one: without them, a
	// restart would make a believable line of a continuation.
	Cut []string `json:"cut,omitempty"`
}

func parseJournalCursor(text string) (journalCursor, error) {
	var c journalCursor
	if text == "" {
		return c, nil
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return c, fmt.Errorf("journal cursor: %w", err)
	}
	if c.Version != journalCursorVersion {
		return c, fmt.Errorf("journal cursor has version %d, this program writes and reads %d", c.Version, journalCursorVersion)
	}
	return c, nil
}

// journalState is where reading stands.
type journalState struct {
	cursor string
	// pending are the streams whose next entry continues a cut one, oldest
	// first: _STREAM_ID, or _STREAM_ID/_PID, or what containerPiece.stream says.
	pending []string
	// trouble is the problem that reading ended with last.
	trouble string
}

func newJournalState(c journalCursor) *journalState {
	return &journalState{cursor: c.Cursor, pending: c.Cut}
}

func (s *journalState) encode() string {
	b, err := json.Marshal(journalCursor{Version: journalCursorVersion, Cursor: s.cursor, Cut: s.pending})
	if err != nil { // a struct of strings always marshals
		panic(err)
	}
	return string(b)
}

// cut says whether an entry is only a part of what was written as one line and
// whether it is the first one, and remembers whether the next one of its stream is
// the rest.
//
// After a pid-change two entries may continue: the next one of the stream, and
// the next one of the process whose line was interrupted.
func (s *journalState) cut(e *entry) (cut, head bool) {
	stream := e.stream
	if stream == "" {
		stream = e.piece.stream()
	}
	cut = e.over || e.lineBreak != "" || e.piece.unfinished || e.piece.id || strings.Contains(e.message, "\n")
	head = cut && (!e.piece.id || e.piece.unfinished) // else the last of several
	if len(s.pending) > 0 && stream != "" {
		before := len(s.pending)
		s.pending = slices.DeleteFunc(s.pending, func(p string) bool {
			return p == stream || p == stream+"/"+e.pid
		})
		if len(s.pending) < before {
			cut, head = true, false
		}
	}
	if e.piece.unfinished && e.stream == "" && stream != "" {
		s.expect(stream)
	}
	if e.lineBreak == "" || e.lineBreak == "eof" || e.stream == "" {
		return cut, head
	}
	s.expect(e.stream)
	if e.lineBreak == "pid-change" {
		s.expect(e.stream + "/" + e.pid)
	}
	return cut, head
}

// containerPiece is what an entry says of the container it came from. Docker's
// journald driver (moby/moby, daemon/logger/journald) and conmon (Podman) split
// lines themselves and mark all pieces but the last with
// CONTAINER_PARTIAL_MESSAGE; newer Docker gives every piece an id besides.
type containerPiece struct {
	// container and priority are CONTAINER_ID and PRIORITY: one is of standard
	// output, another of standard error.
	container, priority string
	unfinished, id      bool
}

// stream is where the pieces of one line follow one another, "" for an entry of
// no container.
func (p *containerPiece) stream() string {
	if p.container == "" {
		return ""
	}
	return "container " + p.container + " priority " + p.priority
}

func (s *journalState) expect(stream string) {
	if len(s.pending) == maxCutStreams {
		s.pending = slices.Delete(s.pending, 0, 1)
	}
	s.pending = append(s.pending, stream)
}
