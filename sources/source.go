// Package sources turns the places where nodes log into lines: files that are
// followed through rotations, the systemd journal, a plain reader. It never
// drops a line and never interprets one; a full queue blocks the source, so
// that the file or the journal stays the buffer.
package sources

import (
	"context"
	"time"
)

// Line is one log line as its carrier delivered it.
type Line struct {
	// Text is the line without its newline. It may share memory with the other
	// lines of its Batch: clone it (strings.Clone) to keep it.
	Text string
	// Time is when the carrier (journald) recorded the line; zero if it keeps
	// no time of its own.
	Time time.Time
	// Cut is set when the carrier split the line, or when the line continues a
	// split one, or when the line was longer than MaxLineBytes. A cut line is
	// never evidence: its beginning or its end was chosen by whoever made it long.
	Cut bool
}

// Batch is what one read of a source gave, in order.
type Batch struct {
	// Source is the name of the source, as configured.
	Source string
	// Stream names the single file or journal stream inside the source, for
	// times that are inherited from the line before.
	Stream string
	Lines  []Line
	// Cursor resumes the source right after the last line of this batch. Empty
	// when the source can't resume (standard input).
	Cursor string
}

// Limits of a source.
const (
	// MaxLineBytes bounds one line; the rest of a longer one is read and
	// discarded, and the line is marked Cut.
	MaxLineBytes = 64 << 10
	// MaxBatchLines and MaxBatchBytes bound one Batch.
	MaxBatchLines = 1024
	MaxBatchBytes = 1 << 20
)

// Source is anything that gives lines.
type Source interface {
	// Run sends batches to out until ctx ends or, for a source with an end, the
	// end is reached (nil). It blocks while out is full and never closes out.
	Run(ctx context.Context, out chan<- Batch) error
	// String names the source for people: "file /var/log/ipfs/*.log",
	// "unit ipfs.service", "standard input".
	String() string
}
