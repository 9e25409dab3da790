package jail

import (
	"cmp"
	"container/heap"
	"math"
	"net/netip"
	"time"
)

// past is the earlier bans of one host.
type past struct {
	prefix netip.Prefix
	count  int
	forget instant // end of its last ban + memory
	index  int
}

// history is the repeat offenders of one jail; empty where bans don't grow. It
// holds at most MaxBans hosts: those to be forgotten soonest make room.
type history struct {
	by   map[netip.Prefix]*past
	heap pastHeap
}

// pastHeap has the one to be forgotten first on top.
type pastHeap []*past

func (h pastHeap) Len() int { return len(h) }
func (h pastHeap) Less(i, k int) bool {
	return cmp.Or(cmp.Compare(h[i].forget, h[k].forget), comparePrefix(h[i].prefix, h[k].prefix)) < 0
}
func (h pastHeap) Swap(i, k int) {
	h[i], h[k] = h[k], h[i]
	h[i].index, h[k].index = i, k
}

// Push implements heap.Interface.
func (h *pastHeap) Push(x any) {
	p := x.(*past)
	p.index = len(*h)
	*h = append(*h, p)
}

// Pop implements heap.Interface.
func (h *pastHeap) Pop() any {
	old := *h
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return p
}

// earlier is how many bans of the host are remembered at the given time.
func (h *history) earlier(p netip.Prefix, now instant) int {
	for len(h.heap) > 0 && h.heap[0].forget <= now {
		h.drop(h.heap[0])
	}
	if past := h.by[p]; past != nil {
		return past.count
	}
	return 0
}

// set remembers that a host had so many bans.
func (h *history) set(p netip.Prefix, count int, forget instant, limit int) {
	if x := h.by[p]; x != nil {
		x.count, x.forget = count, forget
		heap.Fix(&h.heap, x.index)
		return
	}
	for len(h.heap) >= limit {
		h.drop(h.heap[0])
	}
	if h.by == nil {
		h.by = map[netip.Prefix]*past{}
	}
	x := &past{prefix: p, count: count, forget: forget}
	h.by[p] = x
	heap.Push(&h.heap, x)
}

func (h *history) drop(p *past) {
	heap.Remove(&h.heap, p.index)
	delete(h.by, p.prefix)
}

// banTime is how long the host's next ban lasts: bantime × factor^(earlier
// bans), capped by maxbantime.
func (s *Set) banTime(j *jail, p netip.Prefix) time.Duration {
	c := &j.cfg
	if c.Factor == 1 || c.BanTime == Forever {
		return c.BanTime
	}
	d := float64(c.BanTime) * math.Pow(c.Factor, float64(j.past.earlier(p, s.clock)))
	if d >= float64(c.MaxBanTime) {
		return c.MaxBanTime
	}
	return time.Duration(d)
}

// remember counts a ban of a host towards the length of its next.
func (s *Set) remember(j *jail, b *ban) {
	if j.cfg.Factor > 1 {
		n := j.past.earlier(b.Prefix, s.clock)
		j.past.set(b.Prefix, n+1, b.until.add(j.cfg.Memory), j.cfg.MaxBans)
	}
}

// forgive forgets the earlier bans of a host.
func (j *jail) forgive(p netip.Prefix) {
	if x := j.past.by[p]; x != nil {
		j.past.drop(x)
	}
}
