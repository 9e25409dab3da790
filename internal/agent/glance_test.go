package agent

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2pban/p2pban/jail"
)

// TestStatusOfABusyEngine asks for the status while the engine does something
// else for a while: the answer is of a moment ago, and soon; but never of before a
// change that somebody asked for, nor older than a second.
func TestStatusOfABusyEngine(t *testing.T) {
	const busy = 5 * time.Second
	for _, c := range []struct {
		name   string
		before func(t *testing.T, e *engine)
		want   time.Duration // how long the answer takes
	}{
		{"nothing was left behind yet", func(*testing.T, *engine) {}, busy},
		{"a moment ago", func(t *testing.T, e *engine) { e.leaveGlance(); time.Sleep(glanceEvery) }, statusPatience},
		{"again, but too soon to be left behind", func(t *testing.T, e *engine) {
			e.leaveGlance()
			time.Sleep(glanceEvery - 1)
			e.leaveGlance()
			time.Sleep(maxGlance - glanceEvery)
		}, busy},
		{"again, and left behind", func(t *testing.T, e *engine) {
			e.leaveGlance()
			time.Sleep(glanceEvery)
			e.leaveGlance()
			time.Sleep(maxGlance - glanceEvery)
		}, statusPatience},
		{"after a change", func(t *testing.T, e *engine) {
			e.leaveGlance()
			go func() { (<-e.requests)() }()
			if err := e.ask(t.Context(), func() { e.version = "changed" }); err != nil {
				t.Error(err)
			}
		}, busy},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				jails, err := jail.New(nil, jail.Options{})
				if err != nil {
					t.Fatal(err)
				}
				e := &engine{now: time.Now, jails: jails, requests: make(chan func()), looks: make(chan func())}
				e.enforcers = []*enforcer{newEnforcer("none", nil, slog.New(slog.DiscardHandler), nil)}
				c.before(t, e)
				asked := time.Now()
				time.AfterFunc(busy, func() { (<-e.looks)() })
				s, err := (&desk{engine: e}).Status(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(asked); took != c.want {
					t.Errorf("it took %s, want %s", took, c.want)
				}
				if age := time.Since(s.Now); age >= maxGlance || (c.want == busy) != (age == 0) {
					t.Errorf("the status is %s old", age)
				}
			})
		})
	}
}
