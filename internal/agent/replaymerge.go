package agent

import (
	"iter"
	"runtime"
	"slices"
	"time"

	"github.com/p2pban/p2pban/parser"
)

// ahead iterates over what seq gives while another processor, if there is one,
// makes the next of it. seq runs as it would without: one element after another,
// and a fault in it is a panic here.
func ahead[T any](seq iter.Seq[T]) iter.Seq[T] {
	if runtime.GOMAXPROCS(0) == 1 {
		return seq
	}
	return func(yield func(T) bool) {
		made, enough := make(chan T), make(chan struct{})
		var failed any // set before made is closed
		go func() {
			defer close(made)
			defer func() {
				if failed = recover(); failed != nil && !isFault(failed) {
					panic(failed)
				}
			}()
			for v := range seq {
				select {
				case made <- v:
				case <-enough:
					return
				}
			}
		}()
		for v := range made {
			if !yield(v) {
				close(enough)
				for range made { // seq must have ended when ahead has
				}
				return
			}
		}
		if failed != nil {
			panic(failed)
		}
	}
}

// merge hands out the events of all lanes, the one with the earliest time
// first, and of equals that of the earlier lane. A lane's time is the latest so
// far: a stray old line must not hold its file back.
func merge(lanes []*lane, each func([]parser.Event) error) error {
	if len(lanes) == 1 {
		for batch := range ahead(lanes[0].events()) {
			if err := each(batch); err != nil {
				return err
			}
		}
		return lanes[0].err
	}
	var heads []*head
	for i, l := range lanes {
		next, stop := iter.Pull(ahead(l.events()))
		defer stop()
		h := &head{lane: i, next: next}
		if h.more() {
			heads = append(heads, h)
		} else if l.err != nil {
			return l.err
		}
	}
	var batch []parser.Event
	for len(heads) > 0 {
		i := 0
		for k, h := range heads {
			if h.at.Before(heads[i].at) {
				i = k
			}
		}
		h := heads[i]
		batch = append(batch, h.events[0])
		if h.events = h.events[1:]; len(h.events) > 0 {
			h.at = later(h.at, h.events[0].Time)
			continue
		}
		// What was merged is valid until the lane is asked for more.
		if err := each(batch); err != nil {
			return err
		}
		batch = batch[:0]
		if !h.more() {
			if l := lanes[h.lane]; l.err != nil {
				return l.err
			}
			heads = slices.Delete(heads, i, i+1)
		}
	}
	return nil
}

// head is the front of a lane that is being merged.
type head struct {
	lane   int
	at     time.Time // the latest time so far
	events []parser.Event
	next   func() ([]parser.Event, bool)
}

// more gets the next events; false when there are none.
func (h *head) more() bool {
	for {
		var ok bool
		if h.events, ok = h.next(); !ok {
			return false
		}
		if len(h.events) > 0 {
			h.at = later(h.at, h.events[0].Time)
			return true
		}
	}
}
