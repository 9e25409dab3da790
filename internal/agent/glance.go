package agent

import (
	"context"
	"time"

	"github.com/p2pban/p2pban/internal/control"
)

// Under a flood every thread waits its turn for a processor, the engine's too:
// some 10 ms each time, and now and then many times that. A status that has to
// wait for the engine waits for both. So the engine leaves one behind as it goes,
// a glance, for those whom it keeps waiting.
const (
	// glanceEvery is how often the engine leaves a status behind while it judges.
	glanceEvery = 50 * time.Millisecond
	// statusPatience is how long a status waits for the engine itself.
	statusPatience = 15 * time.Millisecond
	// maxGlance is how old a status may be that is given out. An engine that is
	// stuck has no business to look well.
	maxGlance = time.Second
)

// leaveGlance leaves the status behind if the last one is of a while ago.
func (e *engine) leaveGlance() {
	now := e.now()
	if now.Sub(e.glanced) >= glanceEvery {
		e.glanced = now
		e.glance.Store(e.status())
	}
}

// Status gathers counters; it lists nothing. It is of now, or of a moment ago
// when the engine is busy, but never of before a change that was asked for and
// made.
func (d *desk) Status(ctx context.Context) (*control.Status, error) {
	var s *control.Status
	look := func() { s = d.engine.status() }
	patience, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	if d.engine.look(patience, look) == nil {
		return s, nil
	}
	if last := d.engine.glance.Load(); last != nil && d.engine.now().Sub(last.Now) < maxGlance {
		return last, nil
	}
	err := d.engine.look(ctx, look)
	return s, err
}
