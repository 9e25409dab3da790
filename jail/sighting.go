package jail

import (
	"net/netip"

	"github.com/p2pban/p2pban/parser"
)

// sighting is what an event means to every jail that counts its rule. None of
// it depends on earlier events, but for where places say that hosts are.
type sighting struct {
	host      netip.Addr
	key       key   // the whole address
	line      entry // without its rule
	protected bool
	seen      uint32 // the host's bit among the hosts seen lately
	// places are Set.places[from:to], one for each jail that counts the rule.
	from, to int
	// moves is Set.moves when the places were located.
	moves uint64
}

// place is where one jail keeps the host of an event.
type place struct {
	route
	key  key
	hash uint64
	// id is where the host was when it was located, ban the mark of its ban, or
	// 0; see locate.
	id  hostID
	ban uint32
	// leaving is a host that warm expects to be cleared away.
	leaving hostID
}

// prepare makes an event ready, but for locating its places, which become the
// last of s.places.
func (s *Set) prepare(x *sighting, ev *parser.Event) {
	n := len(s.places)
	x.from, x.to, x.protected = n, n, false
	x.line.at = toInstant(ev.Time)
	routes := s.routesOf(ev.Rule)
	if len(routes) == 0 || !ev.Host.IsValid() {
		return
	}
	x.host = ev.Host.Unmap().WithZone("")
	if x.protected = s.protected.nets.Size() > 0 && s.protected.nets.Contains(x.host); x.protected {
		return
	}
	x.key = keyOf(netip.PrefixFrom(x.host, x.host.BitLen()))
	x.line = line(ev, x.line.at)
	x.seen = guardBit(&x.key)
	for i, r := range routes {
		p := place{route: r}
		if i > 0 && x.key.is4() {
			p.key, p.hash = x.key, s.places[n].hash
		} else {
			p.key = s.placeKey(r.jail, x)
			p.hash = p.key.hash(&s.hosts.seed)
		}
		s.places = append(s.places, p)
	}
	x.to = len(s.places)
}

// placeKey is hostPrefix of the sighting's host.
func (s *Set) placeKey(j *jail, x *sighting) key {
	switch {
	case x.key.is4():
		return x.key
	case x.key.maybeShared() || j.ignore.nets.Size6() > 0 || s.protected.nets.Size6() > 0:
		return keyOf(s.hostPrefix(j, x.host))
	}
	return x.key.masked(uint8(j.cfg.IPv6Prefix))
}

// ruled is a rule and the jails that count it.
type ruled struct {
	rule   string
	routes []route
}

// routesOf gives the jails that count a rule. Nearly all events are of the few
// rules that were asked for last.
func (s *Set) routesOf(rule string) []route {
	for i := range s.recent {
		if s.recent[i].rule == rule {
			return s.recent[i].routes
		}
	}
	r := s.routes[rule]
	if r.routes != nil {
		s.recent[s.nextRecent] = r
		s.nextRecent = (s.nextRecent + 1) % len(s.recent)
	}
	return r.routes
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
	if x.moves != s.moves() {
		s.locate(x)
	}
	// The jails judge a host that is banned by hand all the same.
	if s.manual.odd > 0 {
		out, _ := s.prefixes.table.Lookup(x.host)
		if b := out.by(s.manual); b != nil {
			s.manual.countBanned(b, x.line.at)
		}
	}
	s.seen.add(x.seen, s.clock)
	for i := x.from; i < x.to; i++ {
		if d := s.judge(x, &s.places[i], ev); d != nil {
			out = append(out, d...)
		}
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
			if d := s.observe(&s.next[i], &events[i]); d != nil {
				out = append(out, d...)
			}
		}
		events = events[n:]
	}
	return out
}
