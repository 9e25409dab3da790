package agent

import (
	"testing"
	"time"

	"github.com/p2pban/p2pban/jail"
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
