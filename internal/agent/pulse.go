package agent

import "time"

// When a pause is too long to be one. A node logs in bursts and by day, so what
// is usual is learned from the node itself; the bounds hold for any node.
const (
	// pauseFactor is how many times the longest pause so far a pause must be.
	// Were the lines independent, one in e^(pauseFactor·ln n) pauses would be
	// that long after n of them.
	pauseFactor = 4
	// minPause and maxPause bound what counts as too long.
	minPause = time.Hour
	maxPause = 72 * time.Hour
	// learnFor is how long it takes to see a day and a night of a node; until
	// then a pause must reach firstPause.
	learnFor   = 24 * time.Hour
	firstPause = 12 * time.Hour
)

// pulse knows how regularly something comes. Its times are the wall clock's
// with its monotonic reading: a suspended machine makes no pause.
type pulse struct {
	began, last time.Time
	longest     time.Duration // between two beats
}

// beat notes that it came.
func (p *pulse) beat(now time.Time) {
	if now == p.last { // the lines of one batch
		return
	}
	if !p.last.IsZero() {
		p.longest = max(p.longest, now.Sub(p.last))
	}
	p.last = now
}

// quiet says for how long nothing has come, and whether that is too long.
func (p *pulse) quiet(now time.Time) (pause time.Duration, tooLong bool) {
	pause = now.Sub(later(p.began, p.last))
	limit := min(max(pauseFactor*p.longest, minPause), maxPause)
	if now.Sub(p.began) < learnFor {
		limit = max(limit, firstPause)
	}
	return pause, pause >= limit
}
