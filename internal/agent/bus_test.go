package agent

import (
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/control"
)

// A slow reader loses events, is told how many, also when nothing more happens,
// and holds up nobody else.
func TestSlowReader(t *testing.T) {
	b := newBus()
	slow, stop := b.subscribe()
	defer stop()
	const missed = 5
	for range eventBacklog + missed {
		b.publish(control.Event{Type: "ban", Time: time.Now()})
	}
	quick, stopQuick := b.subscribe()
	defer stopQuick()
	b.tellLost() // there is no room to be told
	for i := range eventBacklog {
		if e := <-slow; e.Type != "ban" {
			t.Fatalf("event %d is %+v, want a ban", i, e)
		}
	}
	if len(slow) != 0 {
		t.Fatalf("%d events after the backlog", len(slow))
	}
	b.tellLost()
	b.tellLost() // once
	b.publish(control.Event{Type: "unban", Time: time.Now()})
	if e := <-slow; e.Type != "lost" || e.Lost != missed {
		t.Errorf("got %+v, want %d lost", e, missed)
	}
	if e := <-slow; e.Type != "unban" {
		t.Errorf("got %+v, want what came next", e)
	}
	if e := <-quick; e.Type != "unban" || len(quick) != 0 {
		t.Errorf("another reader got %+v and %d more", e, len(quick))
	}
	if got := b.lostEvents(); got != missed {
		t.Errorf("%d lost in all, want %d", got, missed)
	}
}
