package jail

import (
	"net/netip"
	"slices"
)

// networks are the single bans in force of one jail by their network, in the
// order they were set; kept only where bans widen.
type networks map[netip.Prefix][]*ban

func (j *jail) joinNetwork(b *ban) {
	if net, ok := network(b.Prefix); ok && j.cfg.Widen > 0 {
		if j.nets == nil {
			j.nets = networks{}
		}
		j.nets[net] = append(j.nets[net], b)
	}
}

func (j *jail) leaveNetwork(b *ban) {
	net, _ := network(b.Prefix)
	list := j.nets[net]
	if i := slices.Index(list, b); i >= 0 {
		if list = slices.Delete(list, i, i+1); len(list) > 0 {
			j.nets[net] = list
		} else {
			delete(j.nets, net)
		}
	}
}

// widen bans the network of b in the place of its single bans, once enough of
// them are in force. The network's ban comes first, so that nobody gets in
// between, then the Unbans of the single ones, by host.
func (s *Set) widen(j *jail, b *ban) []Decision {
	net, ok := network(b.Prefix)
	if !ok || j.cfg.Widen == 0 || len(j.nets[net]) < j.cfg.Widen {
		return nil
	}
	if j.ignore.nets.OverlapsPrefix(net) || s.protected.nets.OverlapsPrefix(net) {
		j.counts.WidenRefused++
		return nil
	}
	single := slices.Clone(j.nets[net])
	wide := &ban{jail: j, at: s.clock}
	wide.Host, wide.Prefix, wide.Failures = b.Host, net, b.Failures
	wide.Evidence = b.Evidence
	wide.Evidence.Folded = len(single)
	wide.Evidence.Rules = map[string]int{}
	for _, x := range single {
		wide.until = max(wide.until, x.until)
		if x.Evidence.First.Before(wide.Evidence.First) {
			wide.Evidence.First = x.Evidence.First
		}
		for rule, n := range x.Evidence.Rules {
			wide.Evidence.Rules[rule] += n
		}
	}
	s.put(wide)
	j.counts.Widened++
	out := []Decision{wide.Decision}
	sortBans(single)
	for _, x := range single {
		out = append(out, s.lift(x, s.clock))
	}
	return out
}
