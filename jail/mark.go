package jail

import "net/netip"

// An event looks for its host's ban where it looks for its window: a ban of a
// single host has a mark in its jail's table of hosts, where the host's window
// was. Bans of anything else are odd: networks that bans were widened to, what
// an operator banned, hosts of an ipv6prefix that the jail had before. While a
// jail has such bans its events ask the table of prefixes instead.

// usual tells whether the jail's events look for a ban of this prefix by their
// host alone.
func (j *jail) usual(p netip.Prefix) bool {
	if j.cfg.Name == Manual {
		return false
	}
	switch addr := p.Addr(); {
	case addr.Is4():
		return p.IsSingleIP()
	case is6to4(addr):
		return p.Bits() == site6to4
	}
	return p.Bits() == j.cfg.IPv6Prefix
}

// putMark marks the host of a ban that was brought into force.
func (j *jail) putMark(b *ban) {
	if b.marked = j.usual(b.Prefix); !b.marked {
		j.odd++
		return
	}
	j.forgetHost(b.Prefix)
	k := keyOf(b.Prefix)
	j.hosts.get(j.hosts.insert(&k, k.hash(&j.hosts.seed), entry{at: b.at})).banned = true
	j.grow()
}

func (j *jail) dropMark(b *ban) {
	if !b.marked {
		j.odd--
		return
	}
	k := keyOf(b.Prefix)
	j.hosts.remove(j.hosts.along(j.index.of(k.hash(&j.hosts.seed)).id, &k))
}

// remark puts the marks of a jail anew, whose bans are changed.
func (j *jail) remark(change func()) {
	for _, b := range j.bans {
		j.dropMark(b)
	}
	change()
	for _, b := range j.bans {
		j.putMark(b)
	}
}

// mark is what an event needs to know of a ban.
type mark struct {
	host  key // what it keeps out
	since instant
}

// banOn gives the jail's ban that is in force on the host of a sighting; id is
// the host in the jail's table, or 0.
func (s *Set) banOn(x *sighting, j *jail, id hostID) (mark, bool) {
	if j.odd > 0 {
		out, _ := s.prefixes.table.Lookup(x.key.addr())
		if b := out.by(j); b != nil {
			return mark{keyOf(b.Prefix), b.at}, true
		}
		return mark{}, false
	}
	if id == 0 {
		return mark{}, false
	}
	h := j.hosts.get(id)
	return mark{h.key(), h.at}, h.banned
}
