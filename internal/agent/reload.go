package agent

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
)

// Reload reads the configuration again and takes over what can be changed in a
// running daemon, whole or not at all.
func (d *desk) Reload(ctx context.Context) (*control.ReloadReply, error) {
	if d.load == nil {
		return nil, &control.Error{Status: http.StatusConflict, What: "this daemon has no configuration to read again"}
	}
	d.reloading.Lock()
	defer d.reloading.Unlock()
	cfg, err := d.load()
	if err != nil {
		return nil, notReloaded(err.Error())
	}
	moved := movedConfig(d.running.Path, cfg.Path)
	if len(cfg.Sources) == 0 {
		what := "the new configuration names no log to watch"
		if moved != "" {
			what += ": " + moved
		}
		return nil, notReloaded(what)
	}
	var reply *control.ReloadReply
	var refused error
	err = d.engine.ask(ctx, func() {
		if reply, refused = d.engine.reconfigure(d.running, cfg); refused == nil {
			d.adopt(cfg)
		}
	})
	if refused != nil {
		return nil, notReloaded(refused.Error())
	}
	if moved != "" && reply != nil {
		reply.Changes = append([]string{moved}, reply.Changes...)
	}
	return reply, err
}

// notReloaded is an answer to a configuration that can't be taken over.
func notReloaded(why string) error {
	return &control.Error{Status: http.StatusUnprocessableEntity, What: why, Hint: "nothing was changed: the old configuration stays in force"}
}

// movedConfig says that the file of the configuration is another than it was:
// DefaultPath can come and go.
func movedConfig(old, now string) string {
	switch {
	case old == now:
		return ""
	case now == "":
		return old + " is gone, so the built-in defaults are read"
	}
	return now + " is read now"
}

// adopt makes cfg the running configuration; what needs a restart stays.
func (d *desk) adopt(cfg *config.Config) {
	next := *cfg
	next.Firewall, next.Daemon, next.Metrics = d.running.Firewall, d.running.Daemon, d.running.Metrics
	d.running, d.engine.config = &next, cfg.Path
}

// reconfigure changes the engine from old to cfg. Everything that can be
// refused is tried before anything is changed.
func (e *engine) reconfigure(old, cfg *config.Config) (*control.ReloadReply, error) {
	next, err := e.nextSources(cfg)
	if err != nil {
		return nil, err
	}
	now := e.now()
	e.settle(e.jails.Advance(now)) // what ends by itself is no change of the reload's
	decisions, err := e.jails.Reconfigure(now, cfg.Jails)
	if err != nil {
		return nil, err
	}
	e.settle(decisions)
	reply := &control.ReloadReply{Changes: append([]string{}, e.swapSources(next)...)}
	reply.Changes = append(reply.Changes, jailChanges(old.Jails, cfg.Jails, decisions)...)
	if !reflect.DeepEqual(old.Firewall, cfg.Firewall) {
		reply.Changes = append(reply.Changes, "[firewall] changed and takes effect at the next start of the daemon")
	}
	if old.Daemon != cfg.Daemon {
		reply.Changes = append(reply.Changes, "[daemon] changed and takes effect at the next start of the daemon")
	}
	if old.Metrics != cfg.Metrics {
		reply.Changes = append(reply.Changes, "[metrics] changed and takes effect at the next start of the daemon")
	}
	return reply, nil
}

// nextSources makes the sources of a configuration, and opens those that are to read
// another log than now. The others go on as they are, so that one whose log can't be
// read just now keeps no reload from changing anything else.
func (e *engine) nextSources(cfg *config.Config) ([]*source, error) {
	next := make([]*source, len(cfg.Sources))
	for i, spec := range cfg.Sources {
		s, err := e.newSource(spec, cfg)
		if err != nil {
			return nil, err
		}
		if old := e.source(spec.Name); old == nil || !sameLog(old.spec, spec) {
			if err := s.open(e.cursors[spec.Name]); err != nil {
				return nil, err
			}
		}
		next[i] = s
	}
	return next, nil
}

// jailChanges says what became of the jails, and of their bans.
func jailChanges(old, now []jail.Config, decisions []jail.Decision) (changes []string) {
	gone := func(j jail.Config) bool {
		return !slices.ContainsFunc(now, func(n jail.Config) bool { return n.Name == j.Name })
	}
	lifted := map[string]int{}
	for _, d := range decisions {
		lifted[d.Jail]++
	}
	whose, which := "the", ""
	for _, j := range old {
		n := lifted[j.Name]
		switch {
		case gone(j):
			changes = append(changes, fmt.Sprintf("jail %s is gone, and its bans are lifted: %d", j.Name, n))
			whose = "the other"
		case n > 0:
			changes = append(changes, fmt.Sprintf("jail %s lifts bans of hosts that its ignoreip now names: %d", j.Name, n))
			which = "all other "
		}
	}
	if !reflect.DeepEqual(slices.DeleteFunc(slices.Clone(old), gone), now) {
		changes = append(changes, fmt.Sprintf("%s jails changed; windows and %sbans are kept", whose, which))
	}
	return changes
}

// swapSources makes next the sources. One that reads what it read before goes
// on as it is, with the new parser; another is ended, its last lines are
// judged, and its successor of the same name begins after them.
func (e *engine) swapSources(next []*source) (changes []string) {
	for i, n := range next {
		s := e.source(n.spec.Name)
		switch {
		case s == nil:
			changes = append(changes, "source "+n.spec.Name+" is new")
			e.startSource(n)
		case sameLog(s.spec, n.spec):
			s.adopt(n)
			next[i] = s
		default:
			changes = append(changes, "source "+n.spec.Name+" changed")
			e.endSource(s)
			n.holes, n.risks = s.holesNow(), s.risks
			if err := n.open(e.cursors[n.spec.Name]); err != nil {
				e.log.Error("a changed source begins anew", "source", n.spec.Name, "error", err)
			}
			e.startSource(n)
		}
	}
	for _, s := range e.sources {
		if !slices.ContainsFunc(next, func(n *source) bool { return n.spec.Name == s.spec.Name }) {
			changes = append(changes, "source "+s.spec.Name+" is gone")
			e.endSource(s)
			e.holes[s.spec.Name] = s.holesNow() // they and its cursor are kept, for it may come back
			e.alarms.drop(s.spec.Name)
		}
	}
	e.sources = next
	return changes
}

// sameLog tells whether two settings of a source read the same log.
func sameLog(a, b config.Source) bool {
	a.Format, a.Trust = b.Format, b.Trust
	return reflect.DeepEqual(a, b)
}

// adopt takes over how the lines are to be read.
func (s *source) adopt(n *source) {
	s.parser, s.trust, s.ruleset = n.parser, n.trust, n.ruleset
	for _, r := range s.streams {
		r.parser, r.scanner, r.trust = n.parser, parser.NewScanner(n.parser), n.trust
	}
}

// endSource stops a source and judges what it has sent.
func (e *engine) endSource(s *source) {
	s.stop()
	for {
		select {
		case b := <-e.batches:
			e.batch(b)
		case <-s.ended:
			for len(e.batches) > 0 {
				e.batch(<-e.batches)
			}
			return
		}
	}
}
