package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// Pace of the engine.
const (
	// queueBatches bounds the batches waiting for the engine; a source that
	// finds the queue full waits, and its file or journal is the buffer.
	queueBatches = 16
	// tick is how often the wall clock moves the jails' clock, when no line does.
	tick = 250 * time.Millisecond
	// watchEvery is how often the engine looks for what may need a person.
	watchEvery = time.Second
	// checkpointEvery is how often cursors and windows are saved: what a killed
	// daemon reads again at its next start.
	checkpointEvery = 15 * time.Second
	// catchUpMax bounds how long the wall clock is held back at the start, while
	// the sources read what was logged before.
	catchUpMax = time.Minute
)

// engine owns the jails. Every line, every request and every tick goes through
// its one goroutine (Run), so nothing in it is locked.
type engine struct {
	log *slog.Logger
	now func() time.Time
	// upTime is how long the machine runs, also asleep; no clock that is set moves it.
	upTime  func() time.Duration
	booted  time.Time // by the machine's clock, as it was set last
	started time.Time
	version string
	config  string
	// aside is where a damaged state file was put, at this start or an earlier one, ""
	// for none; read says what could be read of it, and taken which of its bans the
	// firewall still had, "" where it was not asked.
	aside     string
	read      string
	taken     string
	jails     *jail.Set
	store     *state.Store
	enforcers []*enforcer
	bus       *bus
	sources   []*source
	alarms    alarms
	watched   map[string]watched // by jail
	leaks     chan leak          // to diagnose; holds one
	saves     saves
	notify    notifier

	batches  chan sources.Batch // from the sources; never closed
	requests chan func()        // from control and enforcers; never closed
	looks    chan func()        // requests that change nothing; never closed

	// events is memory for those of a batch; used again.
	events []parser.Event

	// pending holds decisions that the enforcers have and that are not saved and
	// told yet; spare is the empty memory of those that were, for the next.
	pending, spare []jail.Decision
	// unsaved holds decisions that the state file refused, and those that followed;
	// they are offered to it again when retrySave is set, which a tick does from
	// retryAt on. They stay here until they are saved. forgone counts those of
	// which there were too many to keep, until the bans in force are saved anew;
	// restated is when that was last tried.
	unsaved   []jail.Decision
	forgone   int
	restated  time.Time
	retrySave bool
	retryAt   time.Time
	saving    bool  // saveDecisions is busy
	refused   error // why the state file refused what it was given last; nil if it did not
	// saveTimer runs from the first of the pending decisions on; saveDue is set
	// when it has ended.
	saveTimer *time.Timer
	saveDue   bool
	// decided and settled count decisions: those made, and those of them that
	// were saved or refused.
	decided, settled int
	toSave           chan saveJob    // to saveDecisions; closed by Run
	saved            chan saveResult // from it; never closed
	// caughtUp is set once every source has read what was there at the start;
	// until then the lines alone move the clock, so that old ones are not late.
	caughtUp bool
	// ready is set once systemd was told that the start is over.
	ready bool
	// cursors says by source up to where its lines are judged, also of those that
	// the configuration does not name now.
	cursors map[string]string
	// holes says by source what the streams have shown up to there, as it was
	// saved last.
	holes map[string]holes
	// checkpointDue asks for a checkpoint at the next tick.
	checkpointDue bool
	checkpoints   chan state.Checkpoint // to saveCheckpoints; holds one; never closed
	checkpointing bool                  // one is taken and not written yet
	// waiting is a checkpoint that is to be written when waitingFor decisions
	// are settled; nil if there is none.
	waiting    *state.Checkpoint
	waitingFor int

	// glance is the last status left behind, read by Status; glanced is when.
	glance  atomic.Pointer[control.Status]
	glanced time.Time

	startSource func(*source) // set by run
}

// Run judges until ctx ends, then saves a last checkpoint.
func (e *engine) Run(ctx context.Context) error {
	defer close(e.toSave)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	lastCheckpoint := e.now()
	var watched time.Time
	for {
		e.answer()
		e.becomeReady(e.now())
		batches := e.batches
		if len(e.pending) >= maxPending {
			batches = nil // the log is the buffer
		}
		toSave, job := e.nextSave()
		select {
		case <-ctx.Done():
			return e.end(context.WithoutCancel(ctx))
		case b := <-batches:
			e.batch(b)
		case f := <-e.requests:
			e.keepTime(e.now())
			f()
		case f := <-e.looks:
			f()
		case <-e.saveTimer.C:
			e.saveDue = true
		case toSave <- job:
			e.handed()
		case r := <-e.saved:
			e.noteSaved(r)
		case <-ticker.C:
			now := e.now()
			e.advance(now)
			if now.Sub(watched) >= watchEvery {
				watched = now
				e.watch(now)
			}
			e.notify.tick(now, e.summary)
			e.retrySave = len(e.unsaved) > 0 && !e.saving && !now.Before(e.retryAt)
			e.restate(now)
			if e.checkpointDue || now.Sub(lastCheckpoint) >= checkpointEvery {
				if e.takeCheckpoint() {
					e.checkpointDue, lastCheckpoint = false, now
				}
			}
		}
	}
}

// end saves what is left. The last checkpoint is written here, so that it is
// there when Run returns.
func (e *engine) end(ctx context.Context) error {
	e.retrySave = len(e.unsaved) > 0
	e.flush()
	e.restated = time.Time{}
	e.restate(e.now())
	e.flush()
	if n := len(e.unsaved) + e.forgone; n > 0 {
		byHand := 0
		for i := range e.unsaved {
			if e.unsaved[i].Jail == jail.Manual {
				byHand++
			}
		}
		err := fmt.Errorf("%d decisions can't be saved: %w\nthe next start reads again the lines of those that a jail made; %d were made by hand and are lost: make those anew", n, e.refused, byHand)
		return stateHelp(err, e.store.Path())
	}
	return e.store.Checkpoint(ctx, e.checkpoint())
}

// ask runs f on the engine's goroutine and waits until it has run. A status from
// before it is given to nobody any more.
func (e *engine) ask(ctx context.Context, f func()) error {
	return send(ctx, e.requests, func() { f(); e.glance.Store(nil) })
}

// look is ask for what changes nothing: it needs not wait until a batch is
// judged or a checkpoint taken, which under a flood are tenths of a second.
func (e *engine) look(ctx context.Context, f func()) error { return send(ctx, e.looks, f) }

// answer lets those who look have their answers now.
func (e *engine) answer() {
	for {
		select {
		case f := <-e.looks:
			f()
		default:
			return
		}
	}
}

func send(ctx context.Context, to chan<- func(), f func()) error {
	done := make(chan struct{})
	select {
	case to <- func() { f(); close(done) }:
		// The engine has taken it and runs it now. Whoever asked must not go on
		// beside it: f writes where he reads.
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// advance moves the jails' clock to the wall clock.
func (e *engine) advance(now time.Time) {
	e.keepTime(now)
	if !e.caughtUp {
		e.caughtUp = e.sourcesCaughtUp(now) || now.Sub(e.started) > catchUpMax
		if !e.caughtUp {
			return
		}
	}
	if e.behind(now) {
		return
	}
	e.enforce(e.jails.Advance(now), false)
}

// settle makes decisions real: wished for, then saved, then told. It returns
// when that is done, for somebody waits to hear that it is.
func (e *engine) settle(decisions []jail.Decision) {
	e.enforce(decisions, false)
	e.flush()
}

// enforce leaves wishes with the enforcers, and the decisions to be saved. The
// kernel does not wait for the disk: a daemon that is killed in between has
// told nobody, and its next start reads the lines again that decided, for a
// checkpoint is written only when what was decided before it is saved.
//
// judged says that events brought the decisions: then a ban is of somebody who
// was not out, unless another jail kept him out.
func (e *engine) enforce(decisions []jail.Decision, judged bool) {
	if len(decisions) == 0 {
		return
	}
	wishes := make(map[netip.Prefix]wish, len(decisions))
	for i := range decisions {
		if d := &decisions[i]; d.Action != jail.Held {
			_, again := wishes[d.Prefix]
			last, jails := e.jails.Banned(d.Prefix)
			wishes[d.Prefix] = wish{ban: jails > 0, until: last.Until, fresh: judged && d.Action == jail.Ban && jails == 1 && !again}
		}
	}
	for _, f := range e.enforcers {
		f.Want(wishes)
	}
	if len(e.pending) == 0 {
		e.saveTimer.Reset(saveAfter)
		e.pending, e.spare = e.spare, nil
	}
	e.pending = append(e.pending, decisions...)
	e.decided += len(decisions)
	// They go first. Without this they wait until another processor is awake and
	// takes them from behind us: a quarter of a millisecond.
	runtime.Gosched()
}

// tell logs a decision and publishes it. It may run beside the engine.
func (e *engine) tell(d *jail.Decision) {
	attrs := []any{"jail", d.Jail, "prefix", d.Prefix}
	if d.Host.IsValid() {
		attrs = append(attrs, "host", d.Host)
	}
	if d.Failures > 0 {
		attrs = append(attrs, "failures", d.Failures)
	}
	if !d.Until.IsZero() {
		attrs = append(attrs, "until", d.Until)
	}
	e.log.Info(d.Action.String(), attrs...)
	if !e.bus.heard() {
		return
	}
	b := toBan(d)
	e.bus.publish(control.Event{Type: d.Action.String(), Time: d.At, Ban: &b})
}

// toBan writes a decision in the words of the control socket.
func toBan(d *jail.Decision) control.Ban {
	ev := &d.Evidence
	return control.Ban{
		Time: d.At, Jail: d.Jail, Host: d.Host, Prefix: d.Prefix, Until: optional(d.Until),
		Failures: d.Failures, Rules: ev.Rules, First: optional(ev.First), Last: optional(ev.Last),
		Peers: ev.Peers, PeerCount: ev.PeerCount, Ports: ev.Ports, Transports: ev.Transports,
		Line: ev.Line, Reason: ev.Reason, Folded: ev.Folded,
	}
}

// optional is nil for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// inForce lists every ban for an enforcer, which starts over from it: its
// wishes up to now are in the list, so they are dropped.
func (e *engine) inForce(ctx context.Context, f *enforcer) ([]firewall.Ban, error) {
	var bans []firewall.Ban
	err := e.ask(ctx, func() {
		f.forget()
		bans = e.listBans()
	})
	return bans, err
}

// listBans is every prefix that is out, with its latest end.
func (e *engine) listBans() []firewall.Ban {
	var bans []firewall.Ban
	for p, until := range e.jails.Prefixes() {
		bans = append(bans, firewall.Ban{Prefix: p, Until: until})
	}
	return bans
}
