// Package agent wires the daemon together and runs it: sources give lines, the
// engine judges them, the enforcer brings the bans to the firewall, and the
// control socket answers. It also replays captures through the same readers
// and jails. What is decided is decided in parser and jail; here it is owned,
// saved and passed on.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/sources"
)

// Options are what the daemon is started with.
type Options struct {
	Config *config.Config
	// Load reads the configuration again, for reload.
	Load func() (*config.Config, error)
	// Reload gets a value when the operator asks for a reload by a signal.
	Reload <-chan os.Signal
	Log    *slog.Logger
	// Out is where the print backend writes.
	Out     io.Writer
	Version string
}

// minThreads is how many goroutines may run at once, also on a machine with fewer
// processors. Then the kernel shares the processors out, and lets a thread that has
// waited run next; Go's scheduler lets each goroutine run for 10 ms. On two
// processors under a flood, with saving, judging and the firewall's changes at work,
// a status took half as long.
const minThreads = 4

// Run is the daemon. It returns when ctx ends, or with what kept it from
// working. The bans stay in the firewall.
func Run(ctx context.Context, o Options) error {
	cfg := o.Config
	runtime.GOMAXPROCS(max(minThreads, runtime.GOMAXPROCS(0)))
	listener, err := control.Listen(cfg.Daemon.Socket, o.Log)
	if err != nil {
		return err
	}
	defer listener.Close()
	store, saved, aside, err := openState(cfg.Daemon.State, o.Log)
	if err != nil {
		return err
	}
	defer closeState(store, o.Log)
	a, err := build(ctx, o, store, saved, aside)
	if err != nil {
		return err
	}
	a.metrics, err = listenMetrics(cfg.Metrics, o.Log)
	if a.metricsTaken = taken(err); err != nil && !a.metricsTaken {
		for _, f := range a.engine.enforcers {
			f.backend.Close()
		}
		return err
	}
	return a.run(ctx, listener)
}

// agent is a daemon that is built and not yet running.
type agent struct {
	engine    *engine
	desk      *desk
	protected protected
	metrics   net.Listener // nil when none are served, or not yet
	// metricsTaken is set when another has the address, which is tried again.
	metricsTaken bool
	metricsAt    config.Metrics
	log          *slog.Logger
	reload       <-chan os.Signal
}

// openState opens the state file. One that is damaged is kept under another
// name: bans in it may be gone, but the daemon must not stay down.
func openState(path string, log *slog.Logger) (store *state.Store, saved state.Saved, aside string, err error) {
	store, saved, aside, err = state.OpenOrSetAside(path)
	if err != nil {
		return nil, saved, "", stateHelp(err, path)
	}
	if aside != "" {
		log.Error("the state file was damaged; it was set aside and a new one begun", "kept", aside, "read", readAnyway(saved))
	}
	return store, saved, aside, nil
}

// closeState closes the state file, and says what became of one that was removed.
func closeState(store *state.Store, log *slog.Logger) {
	_, err := os.Lstat(store.Path())
	removed := errors.Is(err, fs.ErrNotExist)
	err = store.Close()
	switch {
	case err != nil && removed:
		log.Error("the state file was removed while it was in use, and is not put back: the next start lifts all bans", "error", err)
	case err != nil:
		log.Error("the state file was not closed in order", "error", err)
	case removed:
		log.Warn("the state file was removed while it was in use, and is put back", "state", store.Path(),
			"cure", "if its bans are to be forgotten: remove it again while p2pban is stopped")
	}
}

// stateHelp adds to an error of the state file, on a line of its own, what to do
// where the error does not say it itself.
func stateHelp(err error, path string) error {
	var locked *state.LockedError
	var damaged *state.DamagedError
	var newer *state.NewerError
	if err == nil || errors.As(err, &locked) || errors.As(err, &damaged) || errors.As(err, &newer) {
		return err
	}
	return fmt.Errorf("%w\n%s, or name another place ([daemon] state) and move there what is in this one: without it all bans are lifted", err, stateCure(err, path))
}

// stateCure says what makes a state file one that can be written.
func stateCure(err error, path string) string {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return "make room on the disk of " + path
	case errors.Is(err, syscall.EROFS):
		return "have the file system of " + path + " mounted to be written (`dmesg` may say why it is not), and in a systemd unit look at ReadWritePaths and StateDirectory"
	case errors.Is(err, fs.ErrPermission):
		return "run as root, or as a user who may write " + path
	case errors.Is(err, syscall.ELOOP):
		return "remove the link, which p2pban never makes"
	}
	return "make room on the disk of " + path + " or mend its rights"
}

// build makes everything and starts nothing. aside is where a damaged state file
// was put, "" for none.
func build(ctx context.Context, o Options, store *state.Store, saved state.Saved, aside string) (a *agent, err error) {
	cfg := o.Config
	protected := findProtected(finders, nil, o.Log)
	jails, changed, err := restoreJails(cfg.Jails, jail.Options{Protected: protected}, saved, time.Now(), o.Log)
	if err != nil {
		return nil, err
	}
	if err := store.SaveDecisions(ctx, changed); err != nil {
		return nil, stateHelp(err, store.Path())
	}
	e := bareEngine(o, jails, store, saved.Checkpoint)
	if e.aside, e.read = aside, readAnyway(saved); aside == "" {
		e.aside, e.read = store.LastAside(), readEarlier
	}
	tellOfOldNode(ctx, cfg, o.Log)
	doors, err := openDoors(cfg, o.Out)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			closeDoors(doors)
		}
	}()
	if aside != "" {
		if err := e.takeOver(ctx, doors); err != nil {
			return nil, err
		}
	} else if store.Empty() && len(saved.Checkpoint.Snapshot) == 0 {
		tellForgotten(ctx, doors, store.Path(), o.Log)
	}
	for _, d := range doors {
		f := newEnforcer(d.name, d.backend, o.Log, nil)
		f.inForce = func(ctx context.Context) ([]firewall.Ban, error) { return e.inForce(ctx, f) }
		e.enforcers = append(e.enforcers, f)
		if err := f.first(ctx, e.listBans()); err != nil {
			return nil, err
		}
		if !f.repair { // else the bans don't stand yet
			flushOther(ctx, d.name, o.Log)
		}
	}
	warnOfLeft(ctx, cfg, o.Log)
	if err := e.openSources(cfg); err != nil {
		return nil, err
	}
	return &agent{engine: e, protected: protected, metricsAt: cfg.Metrics, desk: &desk{engine: e, load: o.Load, running: cfg}, log: o.Log, reload: o.Reload}, nil
}

// bareEngine makes an engine that has no enforcers and no sources yet and that goes
// on where the checkpoint was taken.
func bareEngine(o Options, jails *jail.Set, store *state.Store, c state.Checkpoint) *engine {
	b := newBus()
	e := &engine{
		log: o.Log, now: time.Now, upTime: upTime, started: time.Now(), version: o.Version, config: o.Config.Path,
		jails: jails, store: store, bus: b,
		alarms:  alarms{log: o.Log, publish: b.publish, active: map[string]control.Alarm{}},
		batches: make(chan sources.Batch, queueBatches), requests: make(chan func()), looks: make(chan func()),
		toSave: make(chan saveJob), saved: make(chan saveResult), saveTimer: time.NewTimer(saveAfter),
		checkpoints: make(chan state.Checkpoint, 1), cursors: c.Cursors, holes: savedHoles(c.Holes),
		watched: map[string]watched{}, leaks: make(chan leak, 1), notify: newNotifier(o.Log),
	}
	if e.cursors == nil {
		e.cursors = map[string]string{}
	}
	e.booted = e.bootTime()
	return e
}

// run starts every task and waits for the end of all.
func (a *agent) run(ctx context.Context, l net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.engine.saveDecisions(ctx) })
	group.Go(func() error { return a.engine.saveCheckpoints(ctx) })
	group.Go(func() error { return a.engine.keepProtected(ctx, a.protected) })
	group.Go(func() error { return a.engine.diagnose(ctx) })
	for _, f := range a.engine.enforcers {
		group.Go(func() error { return f.Run(ctx) })
		group.Go(func() error { return f.Guard(ctx) })
	}
	a.engine.startSource = func(s *source) {
		sctx, stop := context.WithCancel(ctx)
		s.stop, s.ended = stop, make(chan struct{})
		group.Go(func() error {
			defer close(s.ended)
			return s.Run(sctx, a.engine.batches)
		})
	}
	for _, s := range a.engine.sources {
		a.engine.startSource(s)
	}
	server := &control.Server{Listener: l, Daemon: a.desk, Log: a.log}
	group.Go(func() error { return server.Run(ctx) })
	if a.metrics != nil || a.metricsTaken {
		group.Go(func() error { a.serveMetrics(ctx); return nil })
	}
	group.Go(func() error { return a.reloads(ctx) })
	// The engine begins last: from here on only its goroutine may look into it.
	group.Go(func() error { return a.engine.Run(ctx) })
	err := group.Wait()
	daemon.SdNotify(false, daemon.SdNotifyStopping)
	return err
}

// reloads answers signals as POST /v1/reload does.
func (a *agent) reloads(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.reload:
			reply, err := a.desk.Reload(ctx)
			if err != nil {
				a.log.Error("not reloaded; the old configuration stays", "error", err)
				continue
			}
			a.log.Info("reloaded", "changes", reply.Changes)
		}
	}
}
