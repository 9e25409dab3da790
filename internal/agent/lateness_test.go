package agent

import (
	"context"
	"testing"
	"time"

	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/sources"
)

func TestLateness(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	var l lateness
	for _, step := range []struct {
		when         string
		after        time.Duration
		events, late int64 // of the jail, in all
		alarm        bool
	}{
		{"the start", 0, 100, 0, false},
		{"all in time", lateEvery, 200, 0, false},
		{"late, before the minute is over", lateEvery / 2, 200, 50, false},
		{"a minute of late ones", lateEvery / 2, 200, 50, true},
		{"still the same minute", time.Second, 400, 50, true},
		{"few late ones of many", lateEvery, 600, 60, false},
		{"too few to judge", lateEvery, 600, 69, false},
		{"half", lateEvery, 610, 79, true},
		{"nothing more", lateEvery, 610, 79, false},
	} {
		at = at.Add(step.after)
		l.look(at, jail.Counts{Events: step.events, Late: step.late})
		if what := l.what("flood", 3*time.Minute); (what != "") != step.alarm {
			t.Errorf("%s: %q, want an alarm: %v", step.when, what, step.alarm)
		}
	}
}

// lagging is a source of which that many bytes are unread.
type lagging int64

func (lagging) Run(context.Context, chan<- sources.Batch) error { return nil }
func (lagging) String() string                                  { return "lagging" }
func (l lagging) Stats() sources.Stats                          { return sources.Stats{Lag: int64(l)} }

// TestClockWaitsForTheUnread: while a source has much to read and reads, the wall
// clock ends no ban and no window; once it has read, or has stopped, it does.
func TestClockWaitsForTheUnread(t *testing.T) {
	e := starting(t)
	e.caughtUp = true
	src, now := e.sources[0], time.Now()
	e.enforce(byHand(t, e, 1), false)
	step := func(after time.Duration, lag, bans int, what string) {
		t.Helper()
		src.set(lagging(lag), nil)
		e.advance(now.Add(after))
		if got := len(e.listBans()); got != bans {
			t.Errorf("%s: %d bans in force, want %d", what, got, bans)
		}
	}
	src.lastLine = now.Add(2 * time.Hour)
	step(2*time.Hour, lagBytes, 1, "lines come and 8 MiB are unread")
	step(2*time.Hour+quietAfter, lagBytes, 0, "no line comes any more")
	e.enforce(byHand(t, e, 1), false) // for an hour from now
	src.lastLine = now.Add(4 * time.Hour)
	step(4*time.Hour, lagBytes-1, 0, "little is unread")
}
