package agent

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
)

// restoreJails makes the jails with what was saved. Windows and counts come
// from the last checkpoint, the bans in force from the bans that were saved one
// by one: those are newer. Windows that can't be read are not worth staying
// down for. changed is what the state file has to be told: the ends of bans
// that are over or that the configuration has no place for any more, and the
// new times of bans made while the machine's clock was ahead.
func restoreJails(configs []jail.Config, opts jail.Options, saved state.Saved, now time.Time, log *slog.Logger) (s *jail.Set, changed []jail.Decision, err error) {
	if s, err = jail.New(configs, opts); err != nil {
		return nil, nil, err
	}
	if len(saved.Checkpoint.Snapshot) > 0 {
		if _, err := s.Restore(saved.Checkpoint.Snapshot); err != nil {
			log.Error("the windows that were saved can't be read; they begin anew", "error", err)
			if s, err = jail.New(configs, opts); err != nil {
				return nil, nil, err
			}
		}
	}
	dropped := s.RestoreBans(saved.Bans)
	tellLifted(configs, dropped, log)
	changed = unbansOf(dropped, now)
	var latest time.Time
	for _, b := range saved.Bans {
		latest = later(latest, b.At)
	}
	changed = append(changed, s.Advance(latest)...)
	return s, append(changed, setBack(s, now, log)...), nil
}

// tellLifted says which bans are not taken over: whoever changed the configuration and
// restarts is told what a reload would have answered. What is protected may have changed
// by itself, as where somebody has logged in from a banned host.
func tellLifted(configs []jail.Config, bans []jail.Decision, log *slog.Logger) {
	lifted := map[string][]netip.Prefix{}
	for _, b := range bans {
		lifted[b.Jail] = append(lifted[b.Jail], b.Prefix)
	}
	for _, name := range slices.Sorted(maps.Keys(lifted)) {
		cause := "they take in what ignoreip names now, or what is protected: an address of this machine, a gateway, a resolver, an ssh session"
		if name != jail.Manual && !slices.ContainsFunc(configs, func(j jail.Config) bool { return j.Name == name }) {
			cause = "the jail is gone"
		}
		log.Info("bans are lifted", "jail", name, "bans", len(lifted[name]), "prefixes", named(lifted[name]), "cause", cause)
	}
}

// unbansOf turns bans that were not taken over into their ends, so that the
// state file forgets them too.
func unbansOf(dropped []jail.Decision, at time.Time) []jail.Decision {
	out := make([]jail.Decision, len(dropped))
	for i, d := range dropped {
		out[i] = jail.Decision{Action: jail.Unban, Jail: d.Jail, Host: d.Host, Prefix: d.Prefix, At: at}
	}
	return out
}

// checkpoint takes how far the sources are judged and what the windows hold,
// at one moment.
func (e *engine) checkpoint() state.Checkpoint {
	cursors := make(map[string]string, len(e.cursors))
	for name, c := range e.cursors {
		cursors[name] = c
	}
	return state.Checkpoint{Clock: e.jails.Clock(), Cursors: cursors, Holes: e.holesToSave(), Snapshot: e.jails.SnapshotPausing(e.answer)}
}

// takeCheckpoint takes a checkpoint, unless the last one is not written yet. It
// reports whether it did.
func (e *engine) takeCheckpoint() bool {
	if e.checkpointing {
		return false
	}
	c := e.checkpoint()
	e.checkpointing, e.waiting, e.waitingFor = true, &c, e.decided
	e.passCheckpoint()
	return true
}

// passCheckpoint hands the checkpoint to saveCheckpoints once all that was
// decided before it is saved: the lines of a ban that is not, because the state
// file refuses it, must be read again by the next start.
func (e *engine) passCheckpoint() {
	if e.waiting != nil && e.settled >= e.waitingFor && !e.fileBehind() {
		e.checkpoints <- *e.waiting // has room: there is one checkpoint at a time
		e.waiting = nil
	}
}

// saveCheckpoints writes checkpoints beside the engine, for one of a million
// hosts takes longer than a ban may wait.
func (e *engine) saveCheckpoints(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-e.checkpoints:
			began := time.Now()
			err := e.store.Checkpoint(ctx, c)
			took := time.Since(began)
			if ctx.Err() == nil {
				e.ask(ctx, func() {
					e.checkpointing = false
					e.noteCheckpoint(err, took)
				})
			}
		}
	}
}

// noteCheckpoint keeps how the last checkpoint went.
func (e *engine) noteCheckpoint(err error, took time.Duration) {
	what := ""
	if err == nil {
		e.saves.checkpoint, e.saves.checkpointTook = e.now(), took
	} else {
		what = fmt.Sprintf("how far the logs are judged can't be saved: %v; a restart reads them again from %s", err, e.lastCheckpoint())
	}
	e.alarms.set(e.now(), "state", "checkpoint", what, e.makeRoom(err))
}

// lastCheckpoint says when the last one was complete.
func (e *engine) lastCheckpoint() string {
	if e.saves.checkpoint.IsZero() {
		return "where this start began"
	}
	return "where they were at " + e.saves.checkpoint.Format(time.TimeOnly)
}
