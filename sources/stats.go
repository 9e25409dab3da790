package sources

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Stats is what a source knows about itself. Counters start at zero with the
// source; they only grow.
type Stats struct {
	// Lines, Bytes and Batches count what was handed on, and the batch that
	// waits for room in the queue. Bytes includes newlines.
	Lines, Bytes, Batches uint64
	// Cut counts the lines handed on with Line.Cut set.
	Cut uint64
	// Discarded counts the bytes beyond MaxLineBytes that were read and thrown
	// away.
	Discarded uint64
	// LastLine is when (wall clock) the last line was read; zero before the
	// first.
	LastLine time.Time
	// Lag is how many bytes (files) are known to be unread at the last look;
	// -1 when the source can't know.
	Lag int64
	// Rotations and Truncations count what happened to the files since Run
	// began: a path that led to a new file, a file that was emptied.
	Rotations, Truncations uint64
	// Suppressed counts the messages journald threw away before anybody could
	// read them (its rate limit), by its own notices.
	Suppressed uint64
	// Following lists the files read now, or the journal match.
	Following []string
	// Waiting lists what does not exist yet: files that have not appeared.
	Waiting []string
	// Problems lists what keeps the source from reading something now, each with
	// its cause; newest last, at most MaxProblems.
	Problems []string
	// Losses lists what was not read, or may not have been, and never will be, each
	// with its cause; newest last, at most MaxProblems. Reading goes on after them.
	Losses []string
	// LastLoss is when (wall clock) the last loss was found; zero before the first.
	LastLoss time.Time
}

// MaxProblems bounds Stats.Problems and the lists beside it.
const MaxProblems = 16

// Reporter is a source that counts what it does. All sources of this package
// are Reporters; Stats may be called at any time from any goroutine.
type Reporter interface {
	Stats() Stats
}

// meter guards the Stats of one source.
type meter struct {
	mu sync.Mutex
	s  Stats
}

// Stats returns a copy.
func (m *meter) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.s
	s.Following = slices.Clone(s.Following)
	s.Waiting = slices.Clone(s.Waiting)
	s.Problems = slices.Clone(s.Problems)
	s.Losses = slices.Clone(s.Losses)
	return s
}

// update changes the Stats under the lock.
func (m *meter) update(change func(*Stats)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.s)
}

// sending counts a batch that is about to be handed on, so that whoever has it
// finds it counted.
func (m *meter) sending(b Batch) {
	if len(b.Lines) == 0 && b.Text == "" {
		return
	}
	lines := len(b.Lines) + strings.Count(b.Text, "\n")
	cut, bytes := 0, len(b.Lines)+len(b.Text) // a newline each
	for i := range b.Lines {
		bytes += len(b.Lines[i].Text)
		if b.Lines[i].Cut {
			cut++
		}
	}
	m.update(func(s *Stats) {
		s.Lines += uint64(lines)
		s.Bytes += uint64(bytes)
		s.Batches++
		s.Cut += uint64(cut)
		s.LastLine = time.Now()
	})
}

// problem adds a problem unless it is listed already, and says whether it did.
func (m *meter) problem(text string) (added bool) {
	m.update(func(s *Stats) {
		s.Problems, added = withText(s.Problems, text)
	})
	return added
}

// lost adds a loss, and says whether it is not listed already.
func (m *meter) lost(text string) (added bool) {
	m.update(func(s *Stats) {
		s.Losses, added = withText(s.Losses, text)
		s.LastLoss = time.Now()
	})
	return added
}

// withText appends text to list, unless it is in it already, and drops the oldest of
// more than MaxProblems.
func withText(list []string, text string) (with []string, added bool) {
	if slices.Contains(list, text) {
		return list, false
	}
	if len(list) == MaxProblems {
		list = slices.Delete(list, 0, 1)
	}
	return append(list, text), true
}

// solved takes a problem off the list.
func (m *meter) solved(text string) {
	m.update(func(s *Stats) {
		s.Problems = slices.DeleteFunc(s.Problems, func(p string) bool { return p == text })
	})
}
