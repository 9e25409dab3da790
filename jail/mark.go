package jail

import "net/netip"

// An event looks for its host's ban where it looks for its window: a ban of a
// single host stands in the table of hosts too, under its jail's markNumber.
// Bans of anything else are odd: networks that bans were widened to, what an
// operator banned, hosts of an ipv6prefix that the jail had before. While a
// jail has such bans its events ask the table of prefixes instead.

// markBit is set in the numbers of marks; no jail's number has it.
const markBit = 1 << 15

var _ [markBit - MaxJails - 2]struct{}

func (j *jail) markNumber() uint16 { return j.number | markBit }

// usual tells whether the jail's events look for a ban of this prefix by their
// host alone.
func (j *jail) usual(p netip.Prefix) bool {
	if j.number == manualNumber {
		return false
	}
	if p.Addr().Is4() {
		return p.IsSingleIP()
	}
	return p.Bits() == j.cfg.IPv6Prefix
}

// putMark marks the host of a ban that was brought into force.
func (s *Set) putMark(b *ban) {
	if !b.jail.usual(b.Prefix) {
		b.jail.odd++
		return
	}
	k := keyOf(b.Prefix)
	b.mark = s.marks.take()
	*s.marks.get(b.mark) = b
	s.hosts.get(s.hosts.insert(b.jail.markNumber(), &k, k.hash(&s.hosts.seed), entry{})).sum = int64(b.mark)
}

func (s *Set) dropMark(b *ban) {
	if b.mark == 0 {
		b.jail.odd--
		return
	}
	k := keyOf(b.Prefix)
	s.hosts.remove(s.hosts.along(*s.hosts.index.of(k.hash(&s.hosts.seed)), b.jail.markNumber(), &k))
	*s.marks.get(b.mark) = nil
	s.marks.drop(b.mark)
	b.mark = 0
}

// remark puts the marks of a jail whose configuration has changed.
func (s *Set) remark(j *jail, change func()) {
	for _, b := range j.bans {
		s.dropMark(b)
	}
	change()
	for _, b := range j.bans {
		s.putMark(b)
	}
}

// locate finds the window and the ban of each place of an event.
func (s *Set) locate(x *sighting) {
	x.moves = s.moves()
	places := s.places[x.from:x.to]
	for i := range places {
		p := &places[i]
		p.id, p.ban = 0, 0
		for id := *s.hosts.index.of(p.hash); id != 0; {
			h := s.hosts.get(id)
			if h.lo == p.key.lo && h.hi == p.key.hi && h.bits == p.key.bits {
				switch h.jail {
				case p.number:
					p.id = id
				case p.number | markBit:
					p.ban = uint32(h.sum)
				}
			}
			id = h.chain
		}
	}
}

// moves counts what makes locate out of date, but for hosts that are tracked or
// forgotten: those are looked for again.
func (s *Set) moves() uint64 { return s.prefixes.changes + s.hosts.emptied }

// banOf gives the jail's ban that is in force on the host of a place, or nil.
func (s *Set) banOf(x *sighting, p *place) *ban {
	switch {
	case p.jail.odd > 0:
		out, _ := s.prefixes.table.Lookup(x.host)
		return out.by(p.jail)
	case p.ban != 0:
		return *s.marks.get(p.ban)
	}
	return nil
}
