package agent

import (
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
)

// What the state file refused is kept, told of once, and offered again.
func TestRefusedSave(t *testing.T) {
	e := newEngine(t)
	events, stop := e.bus.subscribe()
	defer stop()
	e.enforce(byHand(t, e, 2), false)
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
	e.enforce(all[:2], false)
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
	e.enforce(append(lifted, all[2:]...), false)
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

}

// TestRefusedFileIsLeftAlone has a decision follow one that was refused: it is
// enforced and told, and waits with the other until the file is tried again.
func TestRefusedFileIsLeftAlone(t *testing.T) {
	e := newEngine(t)
	events, stop := e.bus.subscribe()
	defer stop()
	refuse := refuseSaves(t, e)
	all := byHand(t, e, 2)
	e.enforce(all[:1], false)
	e.flush()
	refuse(false)
	e.enforce(all[1:], false)
	e.flush()
	if got := e.savedBans(t); got != 0 || len(e.unsaved) != 2 || len(e.alarms.active) != 1 || len(events) != 3 {
		t.Errorf("%d bans saved, %d unsaved, alarms %v, %d events; want 0, 2, one and 3", got, len(e.unsaved), e.alarms.active, len(events))
	}
	e.retrySave = true
	e.flush()
	if got := e.savedBans(t); got != 2 || e.fileBehind() || len(e.alarms.active) != 0 {
		t.Errorf("%d bans saved, behind: %v, alarms %v; want 2, false and none", got, e.fileBehind(), e.alarms.active)
	}
}

// TestForgoneBansAreSaved has the file refuse more decisions than are kept. Until
// it has every ban in force again, and none that was lifted meanwhile, that is
// an alarm, the jails are asked for the bans, and no checkpoint says that the
// lines are done with.
func TestForgoneBansAreSaved(t *testing.T) {
	e := newEngine(t)
	bans := byHand(t, e, 3)
	e.enforce(bans[:1], false)
	e.flush()
	refuse := refuseSaves(t, e)
	e.enforce(append(e.jails.Unban(time.Now(), bans[0].Prefix), bans[1]), false)
	e.enforce(slices.Repeat(bans[2:], maxUnsaved), false)
	e.flush()
	standing := func() string {
		if len(e.alarms.active) == 0 {
			return ""
		}
		return e.alarms.list()[0].What
	}
	if e.forgone != 2 || len(e.unsaved) != maxUnsaved || e.count().Unsaved != maxUnsaved+2 || !strings.Contains(standing(), "100002 decisions") {
		t.Fatalf("%d forgone, %d unsaved, %d in the metrics, alarm %q; want 2 in all more than are kept", e.forgone, len(e.unsaved), e.count().Unsaved, standing())
	}
	refuse(false)
	e.retrySave = true
	e.flush()
	e.takeCheckpoint()
	if !e.fileBehind() || len(e.checkpoints) != 0 || !strings.Contains(standing(), "2 decisions are missing") {
		t.Errorf("behind: %v, %d checkpoints, alarm %q; want the two decisions missed", e.fileBehind(), len(e.checkpoints), standing())
	}

	now := time.Now()
	for _, ok := range []bool{false, true} {
		refuseRow(t, e, !ok)
		e.restate(now)
		e.enforce(e.jails.Unban(now, bans[1].Prefix), false) // and saved after all bans are
		e.flush()
		if e.fileBehind() == ok || (standing() == "") != ok || (len(e.checkpoints) == 1) != ok {
			t.Fatalf("behind: %v, alarm %q, %d checkpoints when the bans could be saved: %v", e.fileBehind(), standing(), len(e.checkpoints), ok)
		}
		now = now.Add(restateEvery)
	}
	want := slices.Collect(e.jails.InForce())
	saved, _, err := e.store.BansAfter(t.Context(), 0, "", 10)
	if err != nil || len(want) != 1 || len(saved) != 1 || saved[0].Prefix != want[0].Prefix {
		t.Errorf("saved: %+v, %v; want what is in force, %+v", saved, err, want)
	}
	if err := e.end(t.Context()); err != nil {
		t.Error(err)
	}
}

// A checkpoint that is refused is an alarm of its own: a decision that is saved
// does not end it.
func TestRefusedCheckpoint(t *testing.T) {
	e := newEngine(t)
	e.noteCheckpoint(fmt.Errorf("refused: %w", syscall.EROFS), 0)
	e.enforce(byHand(t, e, 1), false)
	e.flush()
	alarms := e.alarms.list()
	if len(alarms) != 1 || !strings.Contains(alarms[0].What, "refused") || !strings.Contains(alarms[0].Fix, "the file system of "+e.store.Path()) {
		t.Errorf("alarms: %+v; want the checkpoint's, with its own cure", alarms)
	}
	if e.noteCheckpoint(nil, 0); len(e.alarms.active) != 0 {
		t.Errorf("after one was written: %v", e.alarms.active)
	}
}

// refuseRow has the state file refuse bans, or take them again.
func refuseRow(t *testing.T, e *engine, on bool) {
	t.Helper()
	db, err := sql.Open("sqlite", e.store.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	text := `DROP TRIGGER IF EXISTS no_bans`
	if on {
		text = `CREATE TRIGGER no_bans BEFORE INSERT ON bans BEGIN SELECT RAISE(ABORT, 'full'); END`
	}
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// TestLongListFromJails lists more bans than a page has, while the state file is
// behind and one of the first page is lifted after the list was begun: the
// others come, the oldest first.
func TestLongListFromJails(t *testing.T) {
	e := newEngine(t)
	e.requests, e.looks, e.forgone = make(chan func()), make(chan func()), 1
	bans := byHand(t, e, 2*bansPage+1)
	d := &desk{engine: e}
	answering(e, func() {
		next, err := d.fromJails(t.Context(), jail.Manual)
		if err != nil || next == nil {
			t.Errorf("no list from the jails: %v", err)
			return
		}
		if err := e.ask(t.Context(), func() { e.jails.Unban(time.Now(), bans[3].Prefix) }); err != nil {
			t.Error(err)
		}
		var got, want []netip.Prefix
		for last := false; !last; {
			var page []jail.Decision
			if page, last, err = next(t.Context()); err != nil {
				t.Error(err)
				return
			}
			for _, b := range page {
				got = append(got, b.Prefix)
			}
		}
		for _, b := range slices.Delete(slices.Clone(bans), 3, 4) {
			want = append(want, b.Prefix)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d bans listed, want the %d that stand, the oldest first", len(got), len(want))
		}
	})
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

// TestByHandOnAFullDisk bans and unbans by hand while the state file refuses it: it is
// done, and whoever asked hears that it may not last, for no log will repeat it.
func TestByHandOnAFullDisk(t *testing.T) {
	e := newEngine(t)
	e.requests, e.looks = make(chan func()), make(chan func())
	d := &desk{engine: e}
	byHand := func(when, target string, lasts bool) {
		t.Helper()
		var banned, lifted error
		answering(e, func() {
			_, banned = d.Ban(t.Context(), control.BanRequest{Target: target})
			_, lifted = d.Unban(t.Context(), control.UnbanRequest{Targets: []string{target}})
		})
		for did, err := range map[string]error{"is banned": banned, "let in again": lifted} {
			var told *control.Error
			switch {
			case lasts && err != nil:
				t.Errorf("%s: %v", when, err)
			case !lasts && (!errors.As(err, &told) || !strings.Contains(told.What, did) || !strings.Contains(told.What, "lost") || !strings.Contains(told.Hint, e.store.Path())):
				t.Errorf("%s: %v, want that it %s, and that it may be lost", when, err, did)
			}
		}
	}
	byHand("with room", "192.0.2.77", true)
	refuse := refuseSaves(t, e)
	byHand("without room", "192.0.2.78", false)
	if err := e.end(t.Context()); err == nil || !strings.Contains(err.Error(), "2 were made by hand and are lost") || !strings.Contains(err.Error(), e.store.Path()) {
		t.Errorf("the engine ended with %v", err)
	}
	refuse(false)
	e.retrySave = true // as a tick does
	e.flush()
	byHand("with room again", "192.0.2.79", true)
}

// TestRefusedDecisionsAreKept has new decisions take the memory of others, which
// the state file refused: all are saved in the end.
func TestRefusedDecisionsAreKept(t *testing.T) {
	e := newEngine(t)
	all := byHand(t, e, 4)
	e.enforce(all[:2], false)
	e.store.Close()
	e.flush()
	memory := e.spare
	store, _, err := state.Open(e.store.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	e.store, e.retrySave = store, true
	e.enforce(all[2:], false)
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

// TestManyUnbansAreOneSave: each save waits for the disk, and an operator who lifts the
// 250,000 bans of a flood waited minutes, in which the daemon answered nobody.
func TestManyUnbansAreOneSave(t *testing.T) {
	const bans = 300
	for name, r := range map[string]control.UnbanRequest{"all": {All: true}, "a network": {Targets: []string{"198.51.0.0/16"}}} {
		e := newEngine(t)
		e.requests, e.looks = make(chan func()), make(chan func())
		e.settle(byHand(t, e, bans)) // the saver has begun, and has its channel
		saves, to := 0, e.toSave
		e.toSave = make(chan saveJob)
		go func() {
			defer close(to)
			for job := range e.toSave {
				saves++
				to <- job
			}
		}()
		var reply *control.UnbanReply
		var err error
		answering(e, func() { reply, err = (&desk{engine: e}).Unban(t.Context(), r) })
		if err != nil || len(reply.Lifted) != bans || saves != 1 || e.savedBans(t) != 0 {
			t.Errorf("%s: %v, lifted %d of %d bans in %d saves, which left %d; want all, in one, and none", name, err, len(reply.Lifted), bans, saves, e.savedBans(t))
		}
	}
}
