package agent

import (
	"math/bits"
	"net/netip"
)

// hostSet counts distinct hosts. IPv4 ones, of which a flood is made, stand in
// a plain table of their own and wait for it in a queue: each is a miss in the
// processor's caches, and misses that do not depend on one another are waited
// for together.
type hostSet struct {
	queue []uint32
	slots []uint32 // 0 is free: 0.0.0.0 is nobody's address
	used  int
	v6    map[netip.Addr]struct{}
}

const (
	hostQueue = 256
	firstBits = 12
)

func newHostSet() *hostSet {
	return &hostSet{
		queue: make([]uint32, 0, hostQueue),
		slots: make([]uint32, 1<<firstBits),
		v6:    map[netip.Addr]struct{}{},
	}
}

func (s *hostSet) add(a netip.Addr) {
	if !a.Is4() {
		s.v6[a] = struct{}{}
		return
	}
	b := a.As4()
	s.queue = append(s.queue, uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3]))
	if len(s.queue) == hostQueue {
		s.drain()
	}
}

// drain puts the queue into the table, which is kept at most three quarters full.
func (s *hostSet) drain() {
	if s.used+len(s.queue) > len(s.slots)/4*3 {
		old := s.slots
		s.slots, s.used = make([]uint32, 2*len(old)), 0
		for _, host := range old {
			s.put(host)
		}
	}
	for _, host := range s.queue {
		s.put(host)
	}
	s.queue = s.queue[:0]
}

func (s *hostSet) put(host uint32) {
	if host == 0 {
		return
	}
	mask := uint32(len(s.slots) - 1)
	// Multiplicative hashing (Knuth): the highest bits are the best mixed.
	i := host * 2654435761 >> (32 - bits.Len32(mask))
	for s.slots[i] != host {
		if s.slots[i] == 0 {
			s.slots[i] = host
			s.used++
			return
		}
		i = (i + 1) & mask
	}
}

func (s *hostSet) len() int {
	s.drain()
	return s.used + len(s.v6)
}
