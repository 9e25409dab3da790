package jail

import (
	"cmp"
	"container/heap"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
)

// ban is one ban in force, of one jail.
type ban struct {
	Decision
	jail      *jail
	at, until instant
	// same is another jail's ban of the same prefix.
	same   *ban
	index  int  // place in its jail's heap
	marked bool // see mark.go
}

// before is the order in which bans end: by time, ties by host, then by jail.
func (b *ban) before(c *ban) bool {
	return cmp.Or(
		cmp.Compare(b.until, c.until),
		comparePrefix(b.Prefix, c.Prefix),
		cmp.Compare(b.jail.rank, c.jail.rank),
	) < 0
}

// banHeap is the bans of one jail, the one that ends first on top.
type banHeap []*ban

func (h banHeap) Len() int           { return len(h) }
func (h banHeap) Less(i, k int) bool { return h[i].before(h[k]) }
func (h banHeap) Swap(i, k int) {
	h[i], h[k] = h[k], h[i]
	h[i].index, h[k].index = i, k
}

// Push implements heap.Interface.
func (h *banHeap) Push(x any) {
	b := x.(*ban)
	b.index = len(*h)
	*h = append(*h, b)
}

// Pop implements heap.Interface.
func (h *banHeap) Pop() any {
	old := *h
	b := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return b
}

// prefixes finds bans by prefix, of all jails.
type prefixes struct {
	table bart.Table[*banned]
}

// banned is one prefix that is out.
type banned struct {
	bans *ban // by ban.same
	// wider is the narrowest network around it that is out as well.
	wider *banned
}

// all gives the bans of a prefix and of the networks around it.
func (p *banned) all() iter.Seq[*ban] {
	return func(yield func(*ban) bool) {
		for ; p != nil; p = p.wider {
			for b := p.bans; b != nil; b = b.same {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// by gives the narrowest of these bans that a jail set, or nil.
func (p *banned) by(j *jail) *ban {
	for ; p != nil; p = p.wider {
		for b := p.bans; b != nil; b = b.same {
			if b.jail == j {
				return b
			}
		}
	}
	return nil
}

// on gives every ban of exactly this prefix.
func (p *prefixes) on(prefix netip.Prefix) iter.Seq[*ban] {
	return func(yield func(*ban) bool) {
		x, ok := p.table.Get(prefix)
		if !ok {
			return
		}
		for b := x.bans; b != nil; b = b.same {
			if !yield(b) {
				return
			}
		}
	}
}

// find gives a jail's ban of exactly this prefix, or nil.
func (s *Set) find(j *jail, prefix netip.Prefix) *ban {
	for b := range s.prefixes.on(prefix) {
		if b.jail == j {
			return b
		}
	}
	return nil
}

// covering gives every ban of the prefix or of a network around it.
func (p *prefixes) covering(prefix netip.Prefix) iter.Seq[*ban] {
	x, _ := p.table.LookupPrefix(prefix)
	return x.all()
}

// inside gives every ban of the prefix or of a part of it.
func (p *prefixes) inside(prefix netip.Prefix) iter.Seq[*ban] {
	return func(yield func(*ban) bool) {
		for _, x := range p.table.Subnets(prefix) {
			for b := x.bans; b != nil; b = b.same {
				if !yield(b) {
					return
				}
			}
		}
	}
}

func (p *prefixes) add(b *ban) {
	x, ok := p.table.Get(b.Prefix)
	if !ok {
		x = &banned{}
		x.wider, _ = p.table.LookupPrefix(b.Prefix)
		p.rewire(b.Prefix, x.wider, x)
		p.table.Insert(b.Prefix, x)
	}
	b.same, x.bans = x.bans, b
}

func (p *prefixes) remove(b *ban) {
	x, _ := p.table.Get(b.Prefix)
	link := &x.bans
	for *link != b {
		link = &(*link).same
	}
	*link, b.same = b.same, nil
	if x.bans == nil {
		p.rewire(b.Prefix, x, x.wider)
		p.table.Delete(b.Prefix)
	}
}

// rewire replaces what is around the parts of a prefix.
func (p *prefixes) rewire(prefix netip.Prefix, from, to *banned) {
	if prefix.IsSingleIP() {
		return
	}
	for _, x := range p.table.Subnets(prefix) {
		if x.wider == from {
			x.wider = to
		}
	}
}

// put brings a ban into force.
func (s *Set) put(b *ban) {
	b.Action, b.Jail = Ban, b.jail.cfg.Name
	b.At, b.Until = b.at.time(), b.until.time()
	heap.Push(&b.jail.bans, b)
	s.nextEnd = min(s.nextEnd, b.until)
	s.prefixes.add(b)
	b.jail.putMark(b)
	b.jail.joinNetwork(b)
}

// lift takes a ban out of force and gives the Unban.
func (s *Set) lift(b *ban, at instant) Decision {
	heap.Remove(&b.jail.bans, b.index)
	s.prefixes.remove(b)
	b.jail.dropMark(b)
	b.jail.leaveNetwork(b)
	b.jail.counts.Unbans++
	return Decision{Action: Unban, Jail: b.Jail, Host: b.Host, Prefix: b.Prefix, At: at.time()}
}

// expire moves the clock and lifts every ban that ends at or before it, in
// order of their ends, ties by host.
func (s *Set) expire(now instant) []Decision {
	s.clock = max(s.clock, now)
	if s.clock < s.nextEnd {
		return nil
	}
	var out []Decision
	for {
		var first *ban
		for _, j := range s.all() {
			if len(j.bans) > 0 && (first == nil || j.bans[0].before(first)) {
				first = j.bans[0]
			}
		}
		switch {
		case first == nil:
			s.nextEnd = never
			return out
		case first.until > s.clock:
			s.nextEnd = first.until
			return out
		}
		out = append(out, s.lift(first, first.until))
	}
}

func sortBans(bans []*ban) {
	slices.SortFunc(bans, func(a, b *ban) int {
		return cmp.Or(comparePrefix(a.Prefix, b.Prefix), cmp.Compare(a.jail.rank, b.jail.rank))
	})
}

func sortDecisions(list []Decision) {
	slices.SortFunc(list, func(a, b Decision) int {
		return cmp.Or(cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()), comparePrefix(a.Prefix, b.Prefix), strings.Compare(a.Jail, b.Jail))
	})
}

// comparePrefix orders by address, then by length.
func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}
