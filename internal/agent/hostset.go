package agent

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
)

// hostSet counts distinct hosts.
type hostSet struct {
	v4 hostTable[host4]
	v6 hostTable[host6]
}

func newHostSet() *hostSet {
	return &hostSet{v4: newHostTable[host4](), v6: newHostTable[host6]()}
}

type (
	host4 uint32
	host6 struct{ high, low uint64 }
)

// spread makes a number of which all bits depend on all of the host's and the
// seed's: nobody can choose hosts that collide.
func (h host4) spread(seed *[2]uint64) uint64 {
	high, low := bits.Mul64(uint64(h)^seed[0], seed[1])
	return high ^ low
}

func (h host6) spread(seed *[2]uint64) uint64 {
	high, low := bits.Mul64(h.high^seed[0], h.low^seed[1])
	return high ^ low
}

func (s *hostSet) add(a netip.Addr) {
	if a.Is4() {
		b := a.As4()
		h := host4(binary.BigEndian.Uint32(b[:]))
		s.v4.add(h, h.spread(&s.v4.seed))
		return
	}
	b := a.As16()
	h := host6{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
	s.v6.add(h, h.spread(&s.v6.seed))
}

func (s *hostSet) len() int { return s.v4.len() + s.v6.len() }

// hostTable is a set of hosts. The zero host, 0.0.0.0 or ::, is never in it: it marks
// a free slot. Hosts wait in a queue before they are looked up: each lookup misses the
// processor's caches, and misses that do not depend on one another are waited for
// together.
type hostTable[H hostKey] struct {
	queue  [hostQueue]H
	spread [hostQueue]uint64 // of each in the queue
	first  [hostQueue]H      // what is in its first slot
	queued int
	slots  []H
	used   int
	seed   [2]uint64
}

type hostKey interface {
	comparable
	spread(seed *[2]uint64) uint64
}

const (
	hostQueue = 256
	firstBits = 12
)

func newHostTable[H hostKey]() hostTable[H] {
	return hostTable[H]{slots: make([]H, 1<<firstBits), seed: [2]uint64{rand.Uint64(), rand.Uint64() | 1}}
}

// add takes the host with its spread, which costs less to make where the host's
// type is known.
func (t *hostTable[H]) add(host H, spread uint64) {
	t.queue[t.queued], t.spread[t.queued] = host, spread
	if t.queued++; t.queued == hostQueue {
		t.drain()
	}
}

// drain puts the queue into the table, which is kept at most three quarters full.
func (t *hostTable[H]) drain() {
	if t.used+t.queued > len(t.slots)/4*3 {
		old := t.slots
		t.slots, t.used = make([]H, 2*len(old)), 0
		for _, host := range old {
			t.put(host, host.spread(&t.seed))
		}
	}
	// All slots are read before any is looked at: the processor then need not know
	// one to fetch the next. Most hosts are in theirs.
	mask := uint64(len(t.slots) - 1)
	for i, spread := range t.spread[:t.queued] {
		t.first[i] = t.slots[spread&mask]
	}
	for i, host := range t.queue[:t.queued] {
		if t.first[i] != host {
			t.put(host, t.spread[i])
		}
	}
	t.queued = 0
}

func (t *hostTable[H]) put(host H, spread uint64) {
	var free H
	if host == free {
		return
	}
	mask := uint64(len(t.slots) - 1)
	i := spread & mask
	for t.slots[i] != host {
		if t.slots[i] == free {
			t.slots[i] = host
			t.used++
			return
		}
		i = (i + 1) & mask
	}
}

func (t *hostTable[H]) len() int {
	t.drain()
	return t.used
}
