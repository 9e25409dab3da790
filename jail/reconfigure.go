package jail

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Reconfigure takes another configuration over without losing what still has a
// meaning. A jail that keeps its name keeps its bans, with the end they have,
// and its windows: all of them, but for lines of rules that it no longer
// counts and IPv6 hosts when its ipv6prefix changes. The bans of a jail that is
// gone are lifted, and those that ignoreip forbids now. The Unbans that now
// brings come first. After an error, which joins every Problem, nothing has
// changed.
func (s *Set) Reconfigure(now time.Time, jails []Config) ([]Decision, error) {
	if err := validateAll(jails); err != nil {
		return nil, err
	}
	next := make([]*jail, len(jails))
	for i, c := range jails {
		j, err := newJail(c, i, s.seed)
		if err != nil {
			return nil, fmt.Errorf("jail %s: %w", c.Name, err)
		}
		next[i] = j
	}
	out := s.expire(toInstant(now))
	out = append(out, s.liftAll(slices.DeleteFunc(slices.Clone(s.jails), func(j *jail) bool {
		return slices.ContainsFunc(next, func(n *jail) bool { return n.cfg.Name == j.cfg.Name })
	}))...)
	for i, n := range next {
		if old := s.jail(n.cfg.Name); old != nil {
			next[i] = s.carryOver(old, n)
		}
	}
	for _, old := range s.jails {
		if !slices.Contains(next, old) {
			old.forgetAll()
		}
	}
	s.jails = next
	s.manual.rank = len(next)
	s.route()
	for _, j := range next {
		out = append(out, s.liftForbidden(j)...)
		j.bound(s.start(j))
	}
	return append(out, s.liftForbidden(s.manual)...), nil
}

// liftAll lifts every ban of these jails.
func (s *Set) liftAll(jails []*jail) []Decision {
	var out []Decision
	for _, j := range jails {
		bans := slices.Clone(j.bans)
		sortBans(bans)
		for _, b := range bans {
			out = append(out, s.lift(b, s.clock))
		}
	}
	return out
}

// liftForbidden lifts the bans of a jail that must not be any more.
func (s *Set) liftForbidden(j *jail) []Decision {
	var bad []*ban
	for _, b := range j.bans {
		if s.forbids(b) {
			bad = append(bad, b)
		}
	}
	sortBans(bad)
	var out []Decision
	for _, b := range bad {
		j.forgive(b.Prefix)
		out = append(out, s.lift(b, s.clock))
	}
	return out
}

// forbids says whether a ban takes in an address that it must not.
func (s *Set) forbids(b *ban) bool {
	if b.jail == s.manual {
		return !b.byHand() && s.anySpares(b.Prefix)
	}
	return s.spares(b.jail, b.Prefix)
}

// carryOver gives a jail that has the new configuration and what the old one
// holds.
func (s *Set) carryOver(old, new *jail) *jail {
	var kept []kept
	recount := !slices.Equal(old.cfg.Rules, new.cfg.Rules) || old.cfg.IPv6Prefix != new.cfg.IPv6Prefix || old.countsPeers() != new.countsPeers()
	if recount {
		kept = old.stillCounting(new)
		old.forgetAll()
	}
	old.remark(func() { old.cfg, old.rank, old.ignore = new.cfg, new.rank, new.ignore })
	if old.cfg.Factor == 1 {
		old.past = history{}
	}
	for _, k := range kept {
		old.readmit(k.prefix, k.lines, k.sample, k.held)
	}
	old.nets = nil
	for _, b := range old.bans {
		old.joinNetwork(b)
	}
	return old
}

// kept is a host with what of its window still counts.
type kept struct {
	prefix netip.Prefix
	lines  []entry
	sample []string
	held   bool
}

// stillCounting gives j's hosts with those lines that still count under
// another configuration.
func (j *jail) stillCounting(n *jail) []kept {
	rules := make([]int, len(j.cfg.Rules))
	for i, r := range j.cfg.Rules {
		rules[i] = slices.Index(n.cfg.Rules, r)
	}
	var out []kept
	keep := func(p netip.Prefix, all []entry, sample []string, held bool) {
		if p.Addr().Is6() && j.cfg.IPv6Prefix != n.cfg.IPv6Prefix {
			return
		}
		var lines []entry
		for _, l := range all {
			if i := rules[l.rule]; i >= 0 {
				l.rule = uint16(i)
				lines = append(lines, l)
			}
		}
		if len(lines) > 0 {
			out = append(out, kept{p, lines, sample, held})
		}
	}
	for k, lines := range j.cold.all() {
		keep(k.prefix(), lines, nil, false)
	}
	for id := range j.order.all(&j.hosts) {
		x := j.hosts.get(id)
		keep(x.prefix(), j.hosts.appendLines(nil, x), j.hosts.sampleOf(x), x.held())
	}
	return out
}
