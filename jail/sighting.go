package jail

import "github.com/p2pban/p2pban/parser"

// sighting is what an event means to every jail that counts its rule. None of
// it depends on earlier events. It holds no pointer, nor does a place: thousands
// are written between two looks of the garbage collector.
type sighting struct {
	key       key   // the host's whole address
	line      entry // without its rule
	protected bool
	// places are Set.places[from:to], one for each jail that counts the rule.
	from, to int
}

// place is where one jail keeps the host of an event.
type place struct {
	route
	key  key
	hash uint64
	// first and more are where warm goes on.
	first bucket
	more  blockID
}

// prepare makes an event ready; its places become the last of s.places.
func (s *Set) prepare(x *sighting, ev *parser.Event) {
	n := len(s.places)
	x.from, x.to, x.protected = n, n, false
	x.line.at = toInstant(ev.Time)
	routes := s.routesOf(ev.Rule)
	if len(routes) == 0 || !ev.Host.IsValid() {
		return
	}
	host := ev.Host
	if !host.Is4() {
		host = host.Unmap().WithZone("")
	}
	if x.protected = s.protected.nets.Size() > 0 && s.protected.nets.Contains(host); x.protected {
		return
	}
	x.key = addrKey(host)
	x.line = line(ev, x.line.at)
	for i := range routes {
		p := s.addPlace()
		p.route = routes[i]
		if i > 0 && x.key.is4() {
			p.key, p.hash = x.key, s.places[n].hash
			continue
		}
		p.key = s.placeKey(s.jails[p.jail], &x.key)
		p.hash = p.key.hash(&s.seed)
	}
	x.to = len(s.places)
}

// addPlace gives a place after the last one; what it holds is old.
func (s *Set) addPlace() *place {
	n := len(s.places)
	if n == cap(s.places) {
		s.places = append(s.places, place{})
	} else {
		s.places = s.places[:n+1]
	}
	return &s.places[n]
}

// placeKey is hostPrefix of a host.
func (s *Set) placeKey(j *jail, host *key) key {
	switch {
	case host.is4():
		return *host
	case host.maybeShared() || j.ignore.nets.Size6() > 0 || s.protected.nets.Size6() > 0:
		return keyOf(s.hostPrefix(j, host.addr()))
	}
	return host.masked(uint8(j.cfg.IPv6Prefix))
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

// observe counts an event that is ready, and appends what it brings to out.
func (s *Set) observe(x *sighting, ev *parser.Event, out []Decision) []Decision {
	if s.clock = max(s.clock, x.line.at); s.clock >= s.nextEnd {
		out = append(out, s.expire(s.clock)...)
	}
	switch {
	case x.protected:
		s.counts.Protected++
		return out
	case x.from == x.to:
		s.counts.Unrouted++
		return out
	}
	// The jails judge a host that is banned by hand all the same.
	if s.manual.odd > 0 {
		if b, ok := s.banOn(x, s.manual, 0); ok {
			s.manual.countBanned(b, x.line.at)
		}
	}
	s.seen.add(guardBit(&x.key), s.clock)
	for i := x.from; i < x.to; i++ {
		out = s.judge(x, &s.places[i], ev, out)
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
		s.warm()
		for i := range n {
			out = s.observe(&s.next[i], &events[i], out)
		}
		events = events[n:]
	}
	return out
}
