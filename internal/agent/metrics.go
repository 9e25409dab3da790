package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"syscall"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/internal/metrics"
)

// listenMetrics opens the address of the metrics; nil when there is none.
func listenMetrics(c config.Metrics, log *slog.Logger) (l net.Listener, err error) {
	switch c.Network {
	case "":
		return nil, nil
	case "unix":
		l, err = control.ListenUnix(c.Address, log)
	default:
		l, err = net.Listen(c.Network, c.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("serving metrics ([metrics] listen): %w", err)
	}
	return l, nil
}

// taken tells whether another program listens at the address. Any local user can be the
// first at a port, and must not keep bans from being made by that.
func taken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// serveMetrics serves them until ctx ends, once the address is free. Whoever watches
// must not be able to end what he watches.
func (a *agent) serveMetrics(ctx context.Context) {
	if a.metricsTaken {
		a.log.Error("metrics are not served yet, for another program listens at their address; it is tried again", "listen", a.metricsAt.Address)
	}
	for backoff := firstBackoff; a.metrics == nil; backoff = min(2*backoff, maxBackoff) {
		if !pause(ctx, backoff) {
			return
		}
		l, err := listenMetrics(a.metricsAt, a.log)
		if err != nil && !taken(err) {
			a.log.Error("metrics are not served", "error", err)
			return
		}
		if a.metrics = l; l != nil {
			a.log.Info("metrics are served", "listen", a.metricsAt.Address)
		}
	}
	m := &metrics.Server{Listener: a.metrics, Gather: a.engine.snapshot, Log: a.log}
	if err := m.Run(ctx); err != nil {
		a.log.Error("metrics are not served any more", "error", err)
	}
}

// snapshot is what a scrape shows, taken in one request to the engine.
func (e *engine) snapshot(ctx context.Context) (*metrics.Snapshot, error) {
	var s *metrics.Snapshot
	err := e.look(ctx, func() { s = e.count() })
	return s, err
}

func (e *engine) count() *metrics.Snapshot {
	s := &metrics.Snapshot{
		Version: e.version, Alarms: map[string]int{}, Queued: len(e.batches),
		Saves: e.saves.took, Unsaved: len(e.unsaved) + e.forgone, Checkpoint: e.saves.checkpoint, CheckpointTook: e.saves.checkpointTook,
		LostEvents: e.bus.lostEvents(),
	}
	for _, kind := range control.AlarmKinds {
		s.Alarms[kind] = 0
	}
	for _, a := range e.alarms.active {
		s.Alarms[a.Kind]++
	}
	for _, src := range e.sources {
		s.Sources = append(s.Sources, src.metrics())
	}
	for _, cfg := range e.allJails() {
		c, _ := e.jails.Counts(cfg.Name)
		s.Jails = append(s.Jails, metrics.Jail{
			Name: cfg.Name, Hosts: c.Hosts, Lines: c.Lines, Bans: c.InForce, Holding: c.Holding, Events: c.Events,
			Banned: c.Bans, Unbanned: c.Unbans, Displaced: c.Displaced, Held: c.Held, Ignored: c.Ignored + c.Trusted,
			Late: c.Late, AfterBan: c.AfterBan, Evicted: c.Evicted, Widened: c.Widened,
		})
	}
	for _, f := range e.enforcers {
		st := f.Status()
		fw := metrics.Firewall{Backend: st.Backend, Healthy: st.Healthy, Waiting: st.Waiting, Applied: st.Applied, Repaired: st.Repaired}
		if st.LastApplied != nil {
			fw.LastApplied = *st.LastApplied
		}
		s.Firewalls = append(s.Firewalls, fw)
	}
	return s
}

func (s *source) metrics() metrics.Source {
	st, t := s.stats(), s.total()
	out := metrics.Source{
		Name: s.spec.Name, Up: s.state(st) == stateReading, Lag: st.Lag, Delay: s.flow.delay,
		Lines: t.Lines, Events: t.Events, Bytes: st.Bytes, Cut: st.Cut, Discarded: st.Discarded,
		Rotations: st.Rotations, Truncations: st.Truncations, Suppressed: st.Suppressed,
		LastLine: s.lastLine, LastRecognised: s.flow.recognised.last, LastEvent: s.lastEvent,
		Rejected: t.ByReason(), Connections: s.flow.node.connections(), Failures: s.flow.node.failures(),
	}
	for _, name := range slices.Sorted(maps.Keys(s.flow.rules)) {
		n := s.flow.rules[name]
		out.Rules = append(out.Rules, metrics.Rule{Name: name, Events: n.events, Failures: n.failures})
	}
	return out
}
