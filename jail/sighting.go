package jail

import (
	"net/netip"

	"github.com/p2pban/p2pban/parser"
)

// sighting is what an event means to every jail that counts its rule. None of
// it depends on earlier events, but for covering.
type sighting struct {
	host      netip.Addr
	line      entry // without its rule
	protected bool
	seen      uint32 // the host's bit among the hosts seen lately
	// places are Set.places[from:to], one for each jail that counts the rule.
	from, to int
	// covering are the bans in force on the host, of any jail, as of
	// prefixes.changes.
	covering *banned
	changes  uint64
}

// place is where one jail keeps the host of an event.
type place struct {
	route
	key  key
	hash uint64
	// id is the host as warm finds it, or 0; split and leaves are others that
	// judging it will touch.
	id, split, leaves hostID
}

// prepare makes an event ready, and its places the last of s.places.
func (s *Set) prepare(x *sighting, ev *parser.Event) {
	n := len(s.places)
	*x = sighting{host: ev.Host.Unmap().WithZone(""), from: n, to: n}
	x.line.at = toInstant(ev.Time)
	routes := s.routes[ev.Rule]
	if len(routes) == 0 || !x.host.IsValid() {
		return
	}
	if x.protected = s.protected.nets.Contains(x.host); x.protected {
		return
	}
	x.line = line(ev, x.line.at)
	x.seen = guardBit(x.host)
	s.cover(x)
	whole := keyOf(netip.PrefixFrom(x.host, x.host.BitLen()))
	for i, r := range routes {
		p := place{route: r, key: whole}
		if x.host.Is6() {
			p.key = keyOf(s.hostPrefix(r.jail, x.host))
		}
		if i > 0 && p.key == s.places[x.from].key {
			p.hash = s.places[x.from].hash
		} else {
			p.hash = p.key.hash(s.seed)
		}
		s.places = append(s.places, p)
	}
	x.to = len(s.places)
}

// cover finds the bans in force on the host.
func (s *Set) cover(x *sighting) {
	x.covering, _ = s.prefixes.table.Lookup(x.host)
	x.changes = s.prefixes.changes
}

// observe counts an event that is ready.
func (s *Set) observe(x *sighting, ev *parser.Event) []Decision {
	out := s.expire(x.line.at)
	switch {
	case x.protected:
		s.counts.Protected++
		return out
	case x.from == x.to:
		s.counts.Unrouted++
		return out
	}
	if x.changes != s.prefixes.changes {
		s.cover(x)
	}
	// The jails judge a host that is banned by hand all the same.
	if b := x.covering.by(s.manual); b != nil {
		s.manual.countBanned(b, x.line.at)
	}
	s.seen.add(x.seen, s.clock)
	for i := x.from; i < x.to; i++ {
		out = append(out, s.judge(x, &s.places[i], ev)...)
	}
	return out
}

// ahead is how many events ObserveAll makes ready before it judges them.
const ahead = 64

// ObserveAll counts events as Observe does, one after the other, and gives what
// all of them brought. It is faster than Observe: what the hosts of the next
// events have in memory is asked for together, where Observe waits for each.
func (s *Set) ObserveAll(events []parser.Event) []Decision {
	var out []Decision
	for len(events) > 0 {
		n := min(ahead, len(events))
		s.places = s.places[:0]
		for i := range n {
			s.prepare(&s.next[i], &events[i])
		}
		s.warm(s.next[:n])
		for i := range n {
			out = append(out, s.observe(&s.next[i], &events[i])...)
		}
		events = events[n:]
	}
	return out
}
