package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
)

// restoreJails makes the jails with what was saved. Windows and counts come
// from the last checkpoint, the bans in force from the bans that were saved one
// by one: those are newer. Windows that can't be read are not worth staying
// down for. dropped are bans that the configuration has no place for any more.
func restoreJails(configs []jail.Config, opts jail.Options, saved state.Saved, log *slog.Logger) (s *jail.Set, dropped []jail.Decision, err error) {
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
	return s, s.RestoreBans(saved.Bans), nil
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
// at one moment. The bans decided up to there are saved before: their lines are
// not read again.
func (e *engine) checkpoint(ctx context.Context) state.Checkpoint {
	e.flush(ctx)
	cursors := make(map[string]string, len(e.cursors))
	for name, c := range e.cursors {
		cursors[name] = c
	}
	return state.Checkpoint{Clock: e.jails.Clock(), Cursors: cursors, Snapshot: e.jails.Snapshot()}
}

// offerCheckpoint hands a checkpoint to saveCheckpoints, unless that is still
// busy with the last one. It reports whether it did.
func (e *engine) offerCheckpoint(ctx context.Context) bool {
	if e.saving.Load() {
		return false
	}
	e.saving.Store(true)
	e.checkpoints <- e.checkpoint(ctx) // has room: nothing was sent since saving was unset
	return true
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
			e.saving.Store(false)
			if ctx.Err() == nil {
				e.ask(ctx, func() { e.noteSave(err); e.noteCheckpoint(err, took) })
			}
		}
	}
}

// save offers decisions, and those refused earlier, to the state file. A
// refusal does not keep a ban from being enforced: it is an alarm.
func (e *engine) save(ctx context.Context, decisions []jail.Decision) {
	all := append(e.unsaved, decisions...)
	// The decisions are made; a daemon that is being stopped still saves them.
	began := time.Now()
	err := e.store.SaveDecisions(context.WithoutCancel(ctx), all)
	e.saves.took.Observe(time.Since(began))
	e.noteSave(err)
	e.unsaved = nil
	if err != nil {
		e.unsaved = all[max(0, len(all)-maxUnsaved):]
	}
}
