// Package sources turns the places where nodes log into lines: files that are
// followed through rotations, the systemd journal, a plain reader. It never
// drops a line and never interprets one; a full queue blocks the source, so
// that the file or the journal stays the buffer.
//
// A log that ends is read with ReadFile or ReadLog. One that is still written to
// is a Source: NewFile, NewContainer, NewJournal or NewReader make one, its Run
// sends batches of lines, and whoever receives a batch releases it.
//
// # Why files are not followed by nxadm/tail
//
// github.com/nxadm/tail v1.4.11 is what others follow logs with, and the
// yardstick in this package's tests. It is not used to read, because no part of
// it was left over that could be. TestStressRotation rotates a log of numbered
// lines 20 times in about 5 seconds, all readers reading the same file. Lines
// lost of 21,000 to 25,000, over a dozen runs; none came twice:
//
//	                              File   nxadm/tail           20 ms reader
//	                                     (inotify, CompleteLines)
//	rename                           0        0                  0-20
//	rename, writer lingers 50 ms     0    3,980-4,000        3,190-3,280
//	delete, create at once           0   18,980                  0-20
//	copytruncate while written to  0-2        0-40             418-811
//
// The losses of the middle rows come from reopening the path: what is still
// written to the old file, and whatever was rotated through while the reader was
// busy, is never looked at, and a deleted file that is followed by a new one at
// once is not noticed. Following /proc/self/fd/N instead, and rotating ourselves,
// mends that; but its inotify watch ends with the first rename, and by polling it
// misses truncations (18.5 % lost under copytruncate, measured apart). So its
// opening and its watching are replaced. Its reading could have stayed for the
// steady state, where it holds:
//
//	                               File            nxadm/tail
//	a 300 MB line, peak memory     1.2 MiB         967 MiB, MaxLineSize set
//	write to line, idle log        11 µs           19 µs
//	catching up                    8.0 M lines/s   0.5 M lines/s
//	allocations a line             0.01            3
//
// but it reads a line whole before anybody can measure it, so a writer without
// newlines grows us without bound, and no wrapper can stand before that: only
// whoever reads can stop reading. And it calls os.Exit from its goroutines when
// a stat fails or inotify is exhausted, from which nothing can recover. What
// File uses instead is inotify itself (x/sys/unix), because fsnotify can't leave
// out the writes to a directory's other files, and one pread for each wake-up
// that also shows whether the file was rewritten.
package sources

import (
	"context"
	"iter"
	"time"
)

// Line is one log line as its carrier delivered it.
type Line struct {
	// Text is the line without its newline. It may share memory with other lines:
	// clone it (strings.Clone) to keep it.
	Text string
	// Time is when the carrier (journald) recorded the line; zero if it keeps
	// no time of its own.
	Time time.Time
	// Cut is set when the carrier split the line, or when the line continues a
	// split one, or when the line was longer than MaxLineBytes. A cut line is
	// no evidence by itself: its beginning or its end was chosen by whoever made it long.
	Cut bool
	// Head is set with Cut when the text begins where the line does.
	Head bool
}

// Batch is what one read of a source gave, in order.
type Batch struct {
	// Source is the name of the source, as configured.
	Source string
	// Stream names the single file or journal stream inside the source, for
	// times that are inherited from the line before.
	Stream string
	Lines  []Line
	// Text is what follows Lines: whole lines, each with its newline, none longer
	// than MaxLineBytes. It is valid until Release. All splits it.
	Text string
	// Cursor resumes the source right after the last line of this batch. Empty
	// when the source can't resume (standard input). A batch may have a Cursor
	// and no Lines: the first one of a source says where reading began.
	Cursor string

	memory []byte        // what it was read into, and those before it, if it is to be given back
	free   chan<- []byte // to there; it has room
}

// All gives the lines of the batch in order, those of Lines and those of Text.
// Their text is valid until Release.
func (b *Batch) All() iter.Seq[Line] { return allLines(b.Lines, b.Text) }

// Release gives the memory of Text, and of the batches before it, back to the
// source, which reads on into it. Whoever takes batches must release each when
// done, in order: a source waits when maxUnreleased are not.
func (b *Batch) Release() {
	if b.memory != nil {
		b.free <- b.memory
		b.memory, b.Text = nil, ""
	}
}

// Limits of a source.
const (
	// MaxLineBytes bounds one line; the rest of a longer one is read and
	// discarded, and the line is marked Cut. Docker splits the lines of programs at
	// 16 KiB, each byte of which may take six in its file: such a part is kept, with
	// its stream's name behind it.
	MaxLineBytes = 128 << 10
	// MaxBatchBytes bounds one Batch, MaxBatchLines those of a journal and of Read.
	MaxBatchLines = 1024
	MaxBatchBytes = 1 << 20
	// maxUnreleased bounds the buffers of a File: one is read into, one is judged,
	// and others wait in between, so that neither waits for the other. More would
	// not fit the processor's caches together.
	maxUnreleased = 4
)

// Source is anything that gives lines.
type Source interface {
	// Run sends batches to out until ctx ends or, for a source with an end, the
	// end is reached (nil). It blocks while out is full, or while the batches it
	// gave are not released, and never closes out.
	Run(ctx context.Context, out chan<- Batch) error
	// String names the source for people: "file /var/log/ipfs/*.log",
	// "unit ipfs.service", "standard input".
	String() string
}
