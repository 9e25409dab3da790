package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/p2pban/p2pban/internal/metrics"
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
	// oldest are dropped first. They are enforced in any case, and the bans among
	// them are saved in the end, by restate.
	maxUnsaved = 100_000
	// restateEvery is how often that is tried: every ban is gathered for it.
	restateEvery = 15 * time.Second
	// After a refusal the file is left alone for restFactor times as long as the
	// refusal took, but at most for maxRest: 100,000 decisions take half a second of
	// a processor, which a machine under attack has other use for.
	restFactor = 10
	maxRest    = 15 * time.Second
)

// saveJob is what saveDecisions is to save; only fresh decisions are told, the
// others have been.
type saveJob struct {
	refused, fresh []jail.Decision
	// park has fresh join refused without a try: the file refused those a moment
	// ago, and must have them first.
	park bool
	// whole says that inForce, which are all bans in force, are to be saved in
	// place of what is in the file; there are no decisions then.
	whole   bool
	inForce []jail.Decision
}

// saveResult is what became of a job; unsaved is what the state file refused.
type saveResult struct {
	saved   int // fresh decisions that were in the job
	unsaved []jail.Decision
	forgone int             // refused decisions that are too many for unsaved
	spare   []jail.Decision // empty memory
	// parked and whole are the job's.
	parked, whole bool
	err           error
	took          time.Duration
}

// saves is how saving goes; the engine's goroutine owns it.
type saves struct {
	took           metrics.Durations // of saving decisions
	checkpoint     time.Time         // when the last one was complete
	checkpointTook time.Duration
}

// saveDecisions saves decisions beside the engine, which would keep lines and
// requests waiting for the disk, and tells them when they are saved. A refusal
// does not keep a ban from being enforced: it is an alarm. It ends when the
// engine does.
func (e *engine) saveDecisions(ctx context.Context) error {
	// The decisions are made; a daemon that is being stopped still saves them.
	ctx = context.WithoutCancel(ctx)
	var last error // of a try
	for job := range e.toSave {
		if job.whole {
			sortByAge(job.inForce)
			e.saved <- saveResult{whole: true, err: e.store.SaveInForce(ctx, job.inForce)}
			continue
		}
		all := job.fresh
		if len(job.refused) > 0 {
			all = append(job.refused, job.fresh...) // whoever still reads those refused does not see it
		}
		r := saveResult{saved: len(job.fresh), parked: job.park}
		if !job.park {
			began := time.Now()
			last = e.store.SaveDecisions(ctx, all)
			r.took = time.Since(began)
		}
		if r.err = last; last != nil {
			r.forgone = max(0, len(all)-maxUnsaved)
			r.unsaved = all[r.forgone:]
			if len(job.refused) == 0 {
				r.unsaved = slices.Clone(r.unsaved)
			}
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
	return e.toSave, saveJob{refused: e.unsaved, fresh: e.pending, park: len(e.unsaved) > 0 && !e.retrySave}
}

// restate has all bans in force saved anew where the file lacks decisions that
// were too many to keep: then it lacks nothing but their history. What is pending
// meanwhile is saved after it once more, and changes nothing.
func (e *engine) restate(now time.Time) {
	if e.forgone == 0 || len(e.unsaved) > 0 || e.saving || now.Sub(e.restated) < restateEvery {
		return
	}
	e.restated, e.saving = now, true
	e.toSave <- saveJob{whole: true, inForce: slices.Collect(e.jails.InForce())} // it waits for one
}

// sortByAge brings bans into the order in which they were made.
func sortByAge(bans []jail.Decision) {
	slices.SortFunc(bans, func(a, b jail.Decision) int {
		return cmp.Or(a.At.Compare(b.At), a.Prefix.Compare(b.Prefix), cmp.Compare(a.Jail, b.Jail))
	})
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
	e.saving = false
	switch {
	case !r.whole:
		e.unsaved, e.spare = r.unsaved, r.spare
		e.forgone += r.forgone
		e.settled += r.saved
		if !r.parked {
			e.saves.took.Observe(r.took)
			e.retryAt = e.now().Add(min(restFactor*r.took, maxRest))
		}
	case r.err == nil:
		e.log.Warn("every ban in force is saved again; decisions that the state file refused are missing from its history", "missing", e.forgone)
		e.forgone = 0
	}
	e.noteSave(r.err)
	e.passCheckpoint()
}

// noteSave raises or clears the alarm about decisions that are not in the state
// file.
func (e *engine) noteSave(err error) {
	e.refused = err
	what := ""
	switch missing := len(e.unsaved) + e.forgone; {
	case err != nil:
		what = fmt.Sprintf("what was decided can't be saved: %v; %d decisions are enforced but would be lost at a restart", err, missing)
	case missing > 0:
		what = fmt.Sprintf("%d decisions are missing from %s, which refused them; every ban in force is about to be saved again", missing, e.store.Path())
	}
	e.alarms.set(e.now(), "state", "", what, e.makeRoom(err))
}

// makeRoom is what to do about a state file that refuses with err what it is to
// hold.
func (e *engine) makeRoom(err error) string {
	return stateCure(err, e.store.Path()) + "; saving is tried again by itself"
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
