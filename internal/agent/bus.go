package agent

import (
	"sync"
	"time"

	"github.com/p2pban/p2pban/internal/control"
)

// eventBacklog is how many events wait for a slow subscriber before it starts
// to lose them.
const eventBacklog = 256

// bus hands events to subscribers and never waits for one.
type bus struct {
	mu   sync.Mutex
	subs map[*subscriber]struct{} // guarded by mu
	lost int64                    // guarded by mu: what slow subscribers missed
}

type subscriber struct {
	events chan control.Event // closed by nobody: the reader leaves by its context
	lost   int64              // guarded by bus.mu
}

func newBus() *bus { return &bus{subs: map[*subscriber]struct{}{}} }

// subscribe gives the events from now on, until stop is called.
func (b *bus) subscribe() (events <-chan control.Event, stop func()) {
	s := &subscriber{events: make(chan control.Event, eventBacklog)}
	b.mu.Lock()
	b.subs[s] = struct{}{}
	b.mu.Unlock()
	return s.events, func() {
		b.mu.Lock()
		delete(b.subs, s)
		b.mu.Unlock()
	}
}

// heard tells whether anybody has subscribed.
func (b *bus) heard() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subs) > 0
}

// publish offers an event to every subscriber. One that has lost events is
// told how many as soon as it has room again.
func (b *bus) publish(e control.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		s.tellLost()
		if s.lost > 0 || !s.offer(e) {
			s.lost++
			b.lost++
		}
	}
}

// tellLost tells subscribers that have room again how many events they have lost.
// publish does so too, but after a burst there may be nothing to publish for long.
func (b *bus) tellLost() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		s.tellLost()
	}
}

func (s *subscriber) tellLost() {
	if s.lost > 0 && s.offer(control.Event{Type: "lost", Time: time.Now(), Lost: s.lost}) {
		s.lost = 0
	}
}

// lostEvents is what all subscribers there were have missed.
func (b *bus) lostEvents() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

func (s *subscriber) offer(e control.Event) bool {
	select {
	case s.events <- e:
		return true
	default:
		return false
	}
}
