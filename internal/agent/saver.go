package agent

import (
	"context"
	"slices"
	"time"

	"github.com/p2pban/p2pban/jail"
)

const (
	// maxPending bounds the decisions that wait to be saved; at that many no more
	// lines are judged. So many are a quarter of a second of a flood, for which the
	// disk may be busy with a checkpoint. They are one transaction, but smaller ones
	// are no dearer: 0.97 KB is written for each decision by 1024, 0.93 by 8192.
	maxPending = 8192
	// saveAfter is how long decisions wait to be saved together with those that
	// follow: the firewall has them first, and needs the processor, and a save of
	// many is little more than one of a single one. Of 500 bans at once the last
	// stood after 10.7 ms, after 12.8 while saving began at once.
	saveAfter = 20 * time.Millisecond
	// maxUnsaved bounds the decisions kept while the state file refuses them; the
	// oldest are dropped first. They are enforced in any case.
	maxUnsaved = 100_000
)

// saveJob is what saveDecisions is to save; only fresh decisions are told, the
// others have been.
type saveJob struct{ refused, fresh []jail.Decision }

// saveResult is what became of a job; unsaved is what the state file refused.
type saveResult struct {
	saved   int // fresh decisions that were in the job
	unsaved []jail.Decision
	forgone int             // refused decisions that are too many for unsaved
	spare   []jail.Decision // empty memory
	err     error
	took    time.Duration
}

// saveDecisions saves decisions beside the engine, which would keep lines and
// requests waiting for the disk, and tells them when they are saved. A refusal
// does not keep a ban from being enforced: it is an alarm. It ends when the
// engine does.
func (e *engine) saveDecisions(ctx context.Context) error {
	// The decisions are made; a daemon that is being stopped still saves them.
	ctx = context.WithoutCancel(ctx)
	for job := range e.toSave {
		all := job.fresh
		if len(job.refused) > 0 {
			all = slices.Concat(job.refused, job.fresh)
		}
		began := time.Now()
		err := e.store.SaveDecisions(ctx, all)
		r := saveResult{saved: len(job.fresh), err: err, took: time.Since(began)}
		if err != nil {
			r.forgone = max(0, len(all)-maxUnsaved)
			r.unsaved = slices.Clone(all[r.forgone:])
		}
		for i := range job.fresh {
			e.tell(&job.fresh[i])
		}
		if cap(job.fresh) <= 2*maxPending {
			clear(job.fresh) // their evidence goes
			r.spare = job.fresh[:0]
		}
		e.saved <- r
	}
	return nil
}

// nextSave is the next job, and where to send it: nil if there is none now.
func (e *engine) nextSave() (to chan<- saveJob, job saveJob) {
	due := e.saveDue || len(e.pending) >= maxPending
	if e.saving || (len(e.pending) == 0 || !due) && !e.retrySave {
		return nil, job
	}
	return e.toSave, saveJob{e.unsaved, e.pending}
}

// handed notes that a job is on its way.
func (e *engine) handed() {
	e.saving, e.saveDue, e.retrySave, e.pending = true, false, false, nil
}

// fileBehind tells whether the state file lacks decisions because it refused
// them.
func (e *engine) fileBehind() bool { return len(e.unsaved) > 0 || e.forgone > 0 }

// noteSaved takes over what became of a job.
func (e *engine) noteSaved(r saveResult) {
	e.saving, e.unsaved, e.spare = false, r.unsaved, r.spare
	e.forgone += r.forgone
	e.settled += r.saved
	e.saves.took.Observe(r.took)
	e.noteSave(r.err)
	e.passCheckpoint()
}

// flush waits until everything that is pending is saved, or refused, and told.
func (e *engine) flush() {
	for e.saving || len(e.pending) > 0 || e.retrySave {
		e.saveDue = true
		to, job := e.nextSave()
		select {
		case to <- job:
			e.handed()
		case r := <-e.saved:
			e.noteSaved(r)
		}
	}
}
