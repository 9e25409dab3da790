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
	same *ban
	// index is the ban's place in its jail's heap.
	index int
}

// before is the order in which bans end: by time, ties by host, then by jail.
func (b *ban) before(c *ban) bool {
	return cmp.Or(
		cmp.Compare(b.until, c.until),
		comparePrefix(b.Prefix, c.Prefix),
		cmp.Compare(b.jail.order, c.jail.order),
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
	table bart.Table[*ban]
}

// on gives every ban of exactly this prefix.
func (p *prefixes) on(prefix netip.Prefix) iter.Seq[*ban] {
	return func(yield func(*ban) bool) {
		b, _ := p.table.Get(prefix)
		for ; b != nil; b = b.same {
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
	return p.chains(p.table.Supernets(prefix))
}

// inside gives every ban of the prefix or of a part of it.
func (p *prefixes) inside(prefix netip.Prefix) iter.Seq[*ban] {
	return p.chains(p.table.Subnets(prefix))
}

func (p *prefixes) chains(heads iter.Seq2[netip.Prefix, *ban]) iter.Seq[*ban] {
	return func(yield func(*ban) bool) {
		for _, b := range heads {
			for ; b != nil; b = b.same {
				if !yield(b) {
					return
				}
			}
		}
	}
}

func (p *prefixes) add(b *ban) {
	b.same, _ = p.table.Get(b.Prefix)
	p.table.Insert(b.Prefix, b)
}

func (p *prefixes) remove(b *ban) {
	head, _ := p.table.Get(b.Prefix)
	switch {
	case head == b && b.same == nil:
		p.table.Delete(b.Prefix)
	case head == b:
		p.table.Insert(b.Prefix, b.same)
	default:
		for head.same != b {
			head = head.same
		}
		head.same = b.same
	}
	b.same = nil
}

// put brings a ban into force.
func (s *Set) put(b *ban) {
	b.Action, b.Jail = Ban, b.jail.cfg.Name
	b.At, b.Until = b.at.time(), b.until.time()
	heap.Push(&b.jail.bans, b)
	s.prefixes.add(b)
	b.jail.joinNetwork(b)
}

// lift takes a ban out of force and gives the Unban.
func (s *Set) lift(b *ban, at instant) Decision {
	heap.Remove(&b.jail.bans, b.index)
	s.prefixes.remove(b)
	b.jail.leaveNetwork(b)
	b.jail.counts.Unbans++
	return Decision{Action: Unban, Jail: b.Jail, Host: b.Host, Prefix: b.Prefix, At: at.time()}
}

// expire moves the clock and lifts every ban that ends at or before it, in
// order of their ends, ties by host.
func (s *Set) expire(now instant) []Decision {
	s.clock = max(s.clock, now)
	var out []Decision
	for {
		var first *ban
		for _, j := range s.all() {
			if len(j.bans) > 0 && (first == nil || j.bans[0].before(first)) {
				first = j.bans[0]
			}
		}
		if first == nil || first.until > s.clock {
			return out
		}
		out = append(out, s.lift(first, first.until))
	}
}

func sortBans(bans []*ban) {
	slices.SortFunc(bans, func(a, b *ban) int {
		return cmp.Or(comparePrefix(a.Prefix, b.Prefix), cmp.Compare(a.jail.order, b.jail.order))
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
