package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/control"
)

// Waits of the enforcer between a failed change and the next try.
const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 30 * time.Second
)

// maxChange bounds the bans and unbans of one change. The kernel makes a change
// in one go, some microseconds for each, and nothing else runs on that processor
// meanwhile: with changes of thousands, a status under a flood took twice as long.
const maxChange = 512

// A door that brings all bans with every change gets none for wholeRest times as long
// as the last one took, but at most for maxWholeRest: else each of 100,000 bans that
// come one by one would have all of them written, and take a processor for itself.
const (
	wholeRest    = 10
	maxWholeRest = 10 * time.Second
)

// wish is what a prefix should be: banned until then, or not at all.
type wish struct {
	ban   bool
	until time.Time
	fresh bool // nothing of it stands yet
}

// enforcer brings bans to one backend. The engine leaves wishes and never
// waits; a flood of them collapses to the latest per prefix. After a failure,
// or when somebody disturbed the firewall, it starts over from every ban in
// force, because the daemon's state is the truth and the kernel only a copy.
type enforcer struct {
	backend firewall.Backend
	name    string
	log     *slog.Logger
	now     func() time.Time
	// inForce gives every ban in force and drops the wishes left before that
	// moment, which it contains.
	inForce func(context.Context) ([]firewall.Ban, error)
	wake    chan struct{} // holds one; a full one means a wake-up is due anyway
	// whole is set for a backend to which a change of one ban costs as much as all
	// bans do. It gets all wishes in one change.
	whole bool
	// unproven are bans of the last change, not yet read back, and proved is when
	// that was last done; Run's alone.
	unproven []firewall.Ban
	proved   time.Time

	mu     sync.Mutex
	wishes map[netip.Prefix]wish // guarded by mu; at most one per ban there ever can be
	repair bool                  // guarded by mu: start over
	status control.FirewallStatus
	advice string // guarded by mu: what to do about status.Error
}

func newEnforcer(name string, b firewall.Backend, log *slog.Logger, inForce func(context.Context) ([]firewall.Ban, error)) *enforcer {
	return &enforcer{
		backend: b, name: name, log: log, now: time.Now, inForce: inForce, whole: bringsAll(b),
		wake: make(chan struct{}, 1), wishes: map[netip.Prefix]wish{}, repair: true,
		status: control.FirewallStatus{Backend: name},
	}
}

func bringsAll(b firewall.Backend) bool {
	switch b.(type) {
	case *firewall.DenyFile, *firewall.Kubo:
		return true
	}
	return false
}

// Want leaves wishes. It never blocks.
func (e *enforcer) Want(wishes map[netip.Prefix]wish) {
	e.mu.Lock()
	for p, w := range wishes {
		if _, waiting := e.wishes[p]; waiting {
			w.fresh = false // what waits may be to let it in
		}
		e.wishes[p] = w
	}
	e.mu.Unlock()
	e.signal()
}

// Repair makes the enforcer start over, because of why.
func (e *enforcer) Repair(why string) {
	e.log.Warn("the firewall was disturbed, repairing it", "backend", e.name, "cause", why)
	e.mu.Lock()
	now := e.now()
	e.repair = true
	e.status.Repaired++
	e.status.Disturbed, e.status.Disturbance = &now, why
	e.mu.Unlock()
	e.signal()
}

// realign makes the enforcer start over because the machine's clock was set, and
// the kernel lets bans end by another one. Nobody has done anything to the firewall.
func (e *enforcer) realign(why string) {
	e.log.Info("the machine's clock was set; the bans are brought to the firewall with their ends anew", "backend", e.name, "seen", why)
	e.mu.Lock()
	e.repair = true
	e.mu.Unlock()
	e.signal()
}

func (e *enforcer) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// forget drops the wishes; the engine calls it while it lists the bans in force.
func (e *enforcer) forget() {
	e.mu.Lock()
	clear(e.wishes)
	e.mu.Unlock()
}

// Status says how the backend is.
func (e *enforcer) Status() control.FirewallStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.status
	s.Waiting = len(e.wishes)
	return s
}

// Run brings wishes to the backend until ctx ends. Bans stay when it returns.
func (e *enforcer) Run(ctx context.Context) error {
	defer e.backend.Close()
	backoff := firstBackoff
	for {
		began := e.now()
		did, err := e.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case err != nil:
			e.failed(err)
			if !pause(ctx, backoff) {
				return nil
			}
			backoff = min(2*backoff, maxBackoff)
		case did:
			backoff = firstBackoff
			if e.whole && !pause(ctx, min(wholeRest*e.now().Sub(began), maxWholeRest)) {
				return nil
			}
		default:
			e.await(ctx)
		}
	}
}

// step does one piece of work, if there is any.
func (e *enforcer) step(ctx context.Context) (did bool, err error) {
	e.mu.Lock()
	repair := e.repair
	e.repair = false
	e.mu.Unlock()
	if repair {
		e.unproven = nil
		bans, err := e.inForce(ctx)
		if err == nil {
			err = e.backend.Init(ctx, bans)
		}
		if err == nil {
			e.applied(len(bans))
		}
		return true, err
	}
	c := e.take()
	if len(c.Set)+len(c.Lift) == 0 {
		return e.prove(ctx)
	}
	if err := e.backend.Apply(ctx, c); err != nil {
		return true, err
	}
	e.note(c)
	e.applied(len(c.Set) + len(c.Lift))
	return true, nil
}

// await waits until there is something to do.
func (e *enforcer) await(ctx context.Context) {
	var due <-chan time.Time
	if len(e.unproven) > 0 {
		due = time.After(proveEvery - e.now().Sub(e.proved))
	}
	select {
	case <-ctx.Done():
	case <-e.wake:
	case <-due:
	}
}

const (
	// sampleSize is how many bans of a change are read back.
	sampleSize = 8
	// proveEvery is how often at most: reading back takes as long as several
	// changes, which the bans of a burst would wait for.
	proveEvery = 50 * time.Millisecond
)

// note keeps a sample of what the change set, for prove.
func (e *enforcer) note(c firewall.Change) {
	if len(c.Set) > 0 {
		e.unproven = c.Set[:min(len(c.Set), sampleSize)]
		return
	}
	e.unproven = slices.DeleteFunc(e.unproven, func(b firewall.Ban) bool { return slices.Contains(c.Lift, b.Prefix) })
}

// prove reads back our rules and a sample of what was set last, where the
// backend can: the kernel's word is not taken for it.
func (e *enforcer) prove(ctx context.Context) (did bool, err error) {
	now := e.now()
	if len(e.unproven) == 0 || now.Sub(e.proved) < proveEvery {
		return false, nil
	}
	sample := e.unproven
	e.unproven, e.proved = nil, now
	v, ok := e.backend.(firewall.Verifier)
	if !ok {
		return false, nil
	}
	return true, v.Verify(ctx, sample)
}

// Guard repairs what others do to our objects, until ctx ends; a backend that
// can't watch is left alone.
func (e *enforcer) Guard(ctx context.Context) error {
	w, ok := e.backend.(firewall.Watcher)
	if !ok {
		return nil
	}
	for {
		err := w.Watch(ctx, func(d firewall.Disturbance) {
			if errors.Is(d.Err, firewall.ErrEnds) && d.By == "" {
				e.realign(d.String())
				return
			}
			e.Repair(d.String())
		})
		if !pause(ctx, maxBackoff) {
			return nil
		}
		e.log.Error("can't watch the firewall, trying again", "backend", e.name, "error", err)
	}
}

// take turns wishes, maxChange of them at most unless the backend wants all, into one
// change.
func (e *enforcer) take() firewall.Change {
	e.mu.Lock()
	defer e.mu.Unlock()
	var c firewall.Change
	for p, w := range e.wishes {
		if len(c.Set)+len(c.Lift) == maxChange && !e.whole {
			return c
		}
		delete(e.wishes, p)
		if w.ban {
			c.Set = append(c.Set, firewall.Ban{Prefix: p, Until: w.until, Fresh: w.fresh})
		} else {
			c.Lift = append(c.Lift, p)
		}
	}
	// A map that once held a flood keeps its size; a new one does not.
	e.wishes = map[netip.Prefix]wish{}
	return c
}

// socketKiller is a backend that can destroy the sockets of banned hosts.
type socketKiller interface{ Sockets() firewall.SocketStats }

func (e *enforcer) applied(n int) {
	var sockets firewall.SocketStats
	if k, ok := e.backend.(socketKiller); ok {
		sockets = k.Sockets() // here and not in Status, which must not wait for the backend
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.status.Healthy && e.status.Error != "" {
		e.log.Info("the firewall works again", "backend", e.name)
	}
	now := e.now()
	e.status.Healthy, e.status.Error = true, ""
	e.status.Applied += int64(n)
	e.status.LastApplied = &now
	e.status.SocketsKilled, e.status.SocketError = sockets.Killed, ""
	if sockets.Err != nil {
		e.status.SocketError = sockets.Err.Error()
	}
}

// failed notes an error; what the kernel holds is unknown now, so the next
// step starts over.
func (e *enforcer) failed(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.status.Error != err.Error() {
		e.log.Error("the firewall refused a change, trying again", "backend", e.name, "error", err)
	}
	e.status.Healthy, e.status.Error, e.advice = false, err.Error(), firewall.Hint(err)
	e.repair = true
}

// pause waits, and says whether it waited to the end.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// first does the first Init, before the daemon says that it works: a right
// that is missing is better told to the operator who starts it than to his log.
func (e *enforcer) first(ctx context.Context, bans []firewall.Ban) error {
	err := e.backend.Init(ctx, bans)
	switch {
	case err == nil:
		e.repair = false
		e.applied(len(bans))
	case errors.Is(err, firewall.ErrPermission), errors.Is(err, firewall.ErrUnsupported), errors.Is(err, firewall.ErrOwned):
		return withHint(err)
	default:
		e.failed(err)
	}
	return nil
}

// hint says what to do about the last error.
func (e *enforcer) hint() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.advice
}
