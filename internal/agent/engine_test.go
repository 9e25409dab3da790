package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
)

// newEngine is an engine that watches nothing, and whose wishes nobody brings
// anywhere.
func newEngine(t *testing.T) *engine {
	t.Helper()
	store, _, err := state.Open(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	jails, err := jail.New(nil, jail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := bareEngine(Options{Config: &config.Config{}, Log: slog.New(slog.DiscardHandler)}, jails, store, state.Checkpoint{})
	e.enforcers = []*enforcer{newEnforcer("none", nil, e.log, nil)}
	go e.saveDecisions(t.Context())
	t.Cleanup(func() { close(e.toSave) })
	return e
}

// byHand gives the decisions of n bans.
func byHand(t *testing.T, e *engine, n int) (all []jail.Decision) {
	t.Helper()
	for i := range n {
		host := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		d, err := e.jails.Ban(time.Now(), jail.ManualBan{Prefix: netip.PrefixFrom(host, 32), For: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d...)
	}
	return all
}

func (e *engine) savedBans(t *testing.T) int {
	t.Helper()
	saved, _, err := e.store.BansAfter(t.Context(), 0, "", 1000) // more than a test saves
	if err != nil {
		t.Fatal(err)
	}
	return len(saved)
}

// saveOne has one job saved.
func (e *engine) saveOne(t *testing.T) {
	t.Helper()
	e.saveDue = true // as when the timer has ended
	to, job := e.nextSave()
	if to == nil {
		t.Fatal("there is nothing to save")
	}
	to <- job
	e.handed()
	e.noteSaved(<-e.saved)
}

// Whoever gives up while his question is answered must not read what the answer
// writes.
func TestAskEndsWithTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{requests: make(chan func())}
		go func() { (<-e.requests)() }()
		ctx, cancel := context.WithCancel(t.Context())
		answer := 0
		err := e.ask(ctx, func() {
			cancel()
			time.Sleep(time.Second)
			answer = 1
		})
		if err != nil || answer != 1 {
			t.Errorf("ask gave %v and the answer %d", err, answer)
		}
	})
}

// The lines before a checkpoint are not read again, so a daemon that is killed
// after it must find the bans that they led to.
func TestCheckpointWaitsForWhatIsPending(t *testing.T) {
	e := newEngine(t)
	all := byHand(t, e, 3)
	e.enforce(all[:1], false)
	e.saveDue = true
	to, job := e.nextSave()
	to <- job
	e.handed()
	e.enforce(all[1:], false)
	if !e.takeCheckpoint() {
		t.Fatal("no checkpoint was taken")
	}
	e.noteSaved(<-e.saved)
	if got := e.savedBans(t); len(e.checkpoints) != 0 || got != 1 {
		t.Fatalf("%d checkpoints are passed on and %d bans saved, want 0 and 1", len(e.checkpoints), got)
	}
	e.saveOne(t)
	if got := e.savedBans(t); len(e.checkpoints) != 1 || got != 3 {
		t.Errorf("%d checkpoints are passed on and %d bans saved, want 1 and 3", len(e.checkpoints), got)
	}
}

// Nobody is told of a ban that a killed daemon would forget.
func TestToldWhenSaved(t *testing.T) {
	e := newEngine(t)
	events, stop := e.bus.subscribe()
	defer stop()
	e.enforce(byHand(t, e, 3), false)
	if len(events) != 0 {
		t.Fatalf("%d events before anything was saved", len(events))
	}
	e.flush()
	if got, told := e.savedBans(t), len(events); got != 3 || told != 3 {
		t.Errorf("%d bans saved and %d told of, want 3", got, told)
	}
}

// TestStatusHasLists holds that a program finds a list where a status has one,
// also where there is nothing in it.
func TestStatusHasLists(t *testing.T) {
	e, _ := atRest(t)
	text, err := json.Marshal(e.status())
	if err != nil {
		t.Fatal(err)
	}
	var status struct{ Alarms, Sources, Jails []map[string]any }
	if err := json.Unmarshal(text, &status); err != nil {
		t.Fatal(err)
	}
	if status.Alarms == nil || status.Sources == nil {
		t.Errorf("alarms or sources are no list: %s", text)
	}
	for _, j := range status.Jails {
		if _, ok := j["rules"].([]any); !ok {
			t.Errorf("the rules of jail %v are no list: %v", j["name"], j["rules"])
		}
	}
}
