package agent

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/internal/control"
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
	e := &engine{
		log: slog.New(slog.DiscardHandler), now: time.Now, jails: jails, store: store, bus: newBus(), holes: map[string]holes{},
		toSave: make(chan saveJob), saved: make(chan saveResult), checkpoints: make(chan state.Checkpoint, 1),
		saveTimer: time.NewTimer(saveAfter),
	}
	e.enforcers = []*Enforcer{newEnforcer("none", nil, e.log, nil)}
	e.alarms = alarms{log: e.log, publish: e.bus.publish, active: map[string]control.Alarm{}}
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
	e.enforce(all[:1])
	e.saveDue = true
	to, job := e.nextSave()
	to <- job
	e.handed()
	e.enforce(all[1:])
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
	e.enforce(byHand(t, e, 3))
	if len(events) != 0 {
		t.Fatalf("%d events before anything was saved", len(events))
	}
	e.flush()
	if got, told := e.savedBans(t), len(events); got != 3 || told != 3 {
		t.Errorf("%d bans saved and %d told of, want 3", got, told)
	}
}

// What the state file refused is kept, told of once, and offered again.
func TestRefusedSave(t *testing.T) {
	e := newEngine(t)
	events, stop := e.bus.subscribe()
	defer stop()
	e.enforce(byHand(t, e, 2))
	e.store.Close()
	e.flush()
	if len(e.unsaved) != 2 || len(e.pending) != 0 || len(e.alarms.active) != 1 {
		t.Fatalf("%d unsaved, %d pending, alarms %v; want 2, 0 and one alarm", len(e.unsaved), len(e.pending), e.alarms.active)
	}
	if !e.takeCheckpoint() || len(e.checkpoints) != 0 {
		t.Errorf("%d checkpoints were passed on, after which the lines of what is not saved would not be read again", len(e.checkpoints))
	}
	if err := e.end(t.Context()); err == nil || !strings.Contains(err.Error(), "2 decisions can't be saved") {
		t.Errorf("the engine ended with %v", err)
	}
	if told := len(events); told != 3 { // two bans and an alarm
		t.Errorf("%d events, want 3", told)
	}
	store, _, err := state.Open(e.store.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	e.store, e.retrySave = store, true
	e.saveOne(t)
	if got := e.savedBans(t); got != 2 || len(e.unsaved) != 0 || len(e.alarms.active) != 0 || len(e.checkpoints) != 1 {
		t.Errorf("%d bans saved, %d unsaved, alarms %v, %d checkpoints; want 2, 0, none and one", got, len(e.unsaved), e.alarms.active, len(e.checkpoints))
	}
}

// answering runs f, which asks e, and is e's goroutine meanwhile.
func answering(e *engine, f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	for {
		select {
		case ask := <-e.requests:
			ask()
		case look := <-e.looks:
			look()
		case <-done:
			return
		}
	}
}

// What the state file refused is in force and was decided: whoever asks is told,
// before it is offered to the file again, meanwhile, and when the file has it.
func TestRefusedIsListed(t *testing.T) {
	e := newEngine(t)
	e.requests, e.looks = make(chan func()), make(chan func())
	d := &desk{engine: e}
	all := byHand(t, e, 4)
	e.enforce(all[:2])
	e.flush()
	lifted := e.jails.Unban(time.Now(), all[0].Prefix)
	expect := func(when string, want []jail.Decision, past ...jail.Decision) {
		t.Helper()
		var listed, told, wanted, wantTold []string
		answering(e, func() {
			err := d.Bans(t.Context(), jail.Manual, func(b control.Ban) error { listed = append(listed, b.Prefix.String()); return nil })
			history, err2 := d.History(t.Context(), "", 3)
			for _, p := range history {
				told = append(told, p.Action+" "+p.Prefix.String())
			}
			if err := errors.Join(err, err2); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		})
		for _, b := range want {
			wanted = append(wanted, b.Prefix.String())
		}
		for _, p := range past {
			wantTold = append(wantTold, p.Action.String()+" "+p.Prefix.String())
		}
		if diff := cmp.Diff(wanted, listed); diff != "" {
			t.Errorf("%s: the bans (-want +listed):\n%s", when, diff)
		}
		if diff := cmp.Diff(wantTold, told); diff != "" {
			t.Errorf("%s: the history (-want +told):\n%s", when, diff)
		}
	}
	refuse := refuseSaves(t, e)
	e.enforce(append(lifted, all[2:]...))
	e.flush()
	past := []jail.Decision{all[3], all[2], lifted[0]}
	expect("refused", all[1:], past...)
	e.retrySave = true
	to, job := e.nextSave()
	e.handed()
	expect("while it is offered again", all[1:], past...)
	if !e.takeCheckpoint() || len(e.checkpoints) != 0 {
		t.Errorf("%d checkpoints were passed on, after which the lines of what is not saved would not be read again", len(e.checkpoints))
	}
	refuse(false)
	to <- job
	e.noteSaved(<-e.saved)
	if e.fileBehind() || len(e.checkpoints) != 1 {
		t.Errorf("%d decisions are unsaved, and %d checkpoints passed on; want 0 and 1", len(e.unsaved), len(e.checkpoints))
	}
	expect("saved", all[1:], past...)

	// Of too many the file will never have the first.
	refuse(true)
	e.enforce(byHand(t, e, 5)[4:])
	e.pending = append(e.pending, slices.Repeat(e.pending, maxUnsaved)...)
	e.flush()
	refuse(false)
	e.retrySave = true
	e.flush()
	if len(e.unsaved) != 0 || e.forgone != 1 || !e.fileBehind() {
		t.Errorf("%d unsaved, %d forgone, behind: %v; want 0, 1, true", len(e.unsaved), e.forgone, e.fileBehind())
	}
}

// refuseSaves has the state file refuse what is written, as a full disk does,
// and still be read.
func refuseSaves(t *testing.T, e *engine) (refuse func(bool)) {
	t.Helper()
	db, err := sql.Open("sqlite", e.store.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	refuse = func(on bool) {
		text := `DROP TRIGGER full`
		if on {
			text = `CREATE TRIGGER full BEFORE INSERT ON history BEGIN SELECT RAISE(ABORT, 'full'); END`
		}
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	refuse(true)
	return refuse
}

// TestRefusedDecisionsAreKept has new decisions take the memory of others, which
// the state file refused: all are saved in the end.
func TestRefusedDecisionsAreKept(t *testing.T) {
	e := newEngine(t)
	all := byHand(t, e, 4)
	e.enforce(all[:2])
	e.store.Close()
	e.flush()
	memory := e.spare
	store, _, err := state.Open(e.store.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	e.store = store
	e.enforce(all[2:])
	if cap(memory) == 0 || &memory[:1][0] != &e.pending[0] {
		t.Error("the memory is not used again")
	}
	e.saveOne(t)
	saved, _, err := e.store.BansAfter(t.Context(), 0, "", 10)
	addr := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	prefix := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(all, saved, addr, prefix); diff != "" || err != nil {
		t.Errorf("%v (-want +saved):\n%s", err, diff)
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
