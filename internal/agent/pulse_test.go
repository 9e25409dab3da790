package agent

import (
	"testing"
	"time"
)

func TestPulse(t *testing.T) {
	began := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		every time.Duration // a beat, until
		until time.Duration
		pause time.Duration // then nothing
		want  bool
	}{
		{"a new node that says nothing yet", 0, 0, 11 * time.Hour, false},
		{"one that never says anything", 0, 0, 12 * time.Hour, true},
		{"its first evening", time.Minute, 8 * time.Hour, 11 * time.Hour, false},
		{"its first day, and then nothing", time.Minute, 8 * time.Hour, 12 * time.Hour, true},
		{"a busy node pauses", time.Second, 48 * time.Hour, 59 * time.Minute, false},
		{"a busy node stops", time.Second, 48 * time.Hour, time.Hour, true},
		{"a quiet node is quiet", 6 * time.Hour, 240 * time.Hour, 23 * time.Hour, false},
		{"a quiet node stops", 6 * time.Hour, 240 * time.Hour, 24 * time.Hour, true},
		{"a line a week", 168 * time.Hour, 1000 * time.Hour, 71 * time.Hour, false},
	} {
		p := pulse{began: began}
		now := began
		for tt.every > 0 && now.Sub(began) < tt.until {
			now = now.Add(tt.every)
			p.beat(now)
		}
		now = now.Add(tt.pause)
		if pause, tooLong := p.quiet(now); tooLong != tt.want || pause != tt.pause {
			t.Errorf("%s: quiet for %v, too long: %v; want %v, %v", tt.name, pause, tooLong, tt.pause, tt.want)
		}
	}
}
