package jail

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
)

// hostID is a host's place in the table; 0 is none.
type hostID uint32

// levels is how finely hosts are told apart by how close they are to a ban.
const levels = 8

// host is one host that is tracked and not banned. It holds no pointer, and
// its first line lies inside it, so that each of a flood of one-line hosts
// costs 64 bytes and a bucket.
type host struct {
	hi, lo uint64 // the address, as in key
	first  entry
	// win is the host's window, when it has more than one line; else first is
	// its only line.
	win        uint32
	chain      hostID // next in the hash bucket, or in the free list
	prev, next hostID // in the list of the host's level
	bits       uint8  // of the prefix, as in key
	level      uint8  // failures as eighths of what is a ban, at its last event
	held       bool   // the guard holds its ban back
}

const (
	chunkBits = 12
	chunkSize = 1 << chunkBits
)

// hosts is a hash table of hosts with, for each level, a list in order of the
// last event. It grows by one bucket at a time (linear hashing), so that no
// single event pays for the growth of the table.
type hosts struct {
	seed   maphash.Seed
	chunks [][]host
	used   hostID // slots handed out so far, counting the unused slot 0
	free   hostID // slots given back, by chain
	count  int

	buckets [][]hostID
	nbucket uint64 // buckets in use
	pow     uint64 // the largest power of two that is at most nbucket

	oldest, newest [levels]hostID
	ahead          lookahead
	// last is at or before the last line of the oldest of a level: 0 when
	// nobody has looked since it became the oldest.
	last [levels]instant

	windows     [][]window
	usedWindows uint32 // handed out so far, counting the unused place 0
	freeWindows []uint32
}

func (h *hosts) init(seed maphash.Seed) {
	*h = hosts{seed: seed, used: 1, usedWindows: 1, pow: 1, nbucket: 1}
	h.buckets = [][]hostID{make([]hostID, chunkSize)}
}

func (h *hosts) get(id hostID) *host { return &h.chunks[id>>chunkBits][id&(chunkSize-1)] }

// key is a prefix as the table compares it: the bytes of its address, IPv4
// mapped into IPv6, and the bits that it has in its own family. The zero key is
// no prefix.
type key struct {
	hi, lo uint64
	bits   uint8
}

func keyOf(p netip.Prefix) key {
	b := p.Addr().As16()
	return key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), uint8(p.Bits())}
}

func (k key) hash(seed maphash.Seed) uint64 {
	var b [17]byte
	binary.NativeEndian.PutUint64(b[:8], k.hi)
	binary.NativeEndian.PutUint64(b[8:16], k.lo)
	b[16] = k.bits
	return maphash.Bytes(seed, b[:])
}

func (x *host) key() key { return key{x.hi, x.lo, x.bits} }

func (x *host) prefix() netip.Prefix {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], x.hi)
	binary.BigEndian.PutUint64(b[8:], x.lo)
	return netip.PrefixFrom(netip.AddrFrom16(b).Unmap(), int(x.bits))
}

// bucket is where a hash's chain starts.
func (h *hosts) bucket(hash uint64) *hostID {
	i := hash & (2*h.pow - 1)
	if i >= h.nbucket {
		i &= h.pow - 1
	}
	return &h.buckets[i>>chunkBits][i&(chunkSize-1)]
}

// find gives 0 when the host is not tracked.
func (h *hosts) find(p netip.Prefix) hostID {
	k := keyOf(p)
	return h.along(*h.bucket(k.hash(h.seed)), k)
}

// along looks for a host from one place of its chain on.
func (h *hosts) along(id hostID, k key) hostID {
	for id != 0 {
		x := h.get(id)
		if x.key() == k {
			break
		}
		id = x.chain
	}
	return id
}

// insert tracks a host that is not tracked yet, in no list.
func (h *hosts) insert(k key, hash uint64, first entry) hostID {
	id := h.free
	if id != 0 {
		h.free = h.get(id).chain
	} else {
		id = h.used
		h.used++
		if int(id>>chunkBits) == len(h.chunks) {
			h.chunks = append(h.chunks, make([]host, chunkSize))
		}
	}
	x := h.get(id)
	*x = host{hi: k.hi, lo: k.lo, bits: k.bits, first: first}
	b := h.bucket(hash)
	x.chain, *b = *b, id
	if h.count++; uint64(h.count) > h.nbucket {
		h.split()
	}
	return id
}

// split adds one bucket and gives it its share of the chain it splits from.
func (h *hosts) split() {
	n := h.nbucket
	if int(n>>chunkBits) == len(h.buckets) {
		h.buckets = append(h.buckets, make([]hostID, chunkSize))
	}
	from := &h.buckets[(n-h.pow)>>chunkBits][(n-h.pow)&(chunkSize-1)]
	id := *from
	*from = 0
	if h.nbucket++; h.nbucket == 2*h.pow {
		h.pow = h.nbucket
	}
	for id != 0 {
		x := h.get(id)
		next := x.chain
		b := h.bucket(x.key().hash(h.seed))
		x.chain, *b = *b, id
		id = next
	}
}

// remove forgets a host and its window.
func (h *hosts) remove(id hostID) {
	x := h.get(id)
	link := h.bucket(x.key().hash(h.seed))
	for *link != id {
		link = &h.get(*link).chain
	}
	*link = x.chain
	h.unlink(id)
	h.dropWindow(x)
	*x = host{chain: h.free}
	h.free = id
	if h.count--; h.count == 0 && len(h.chunks) > 1 {
		// Nothing is tracked: give the memory of the last flood back.
		h.init(h.seed)
	}
}

// unlink takes a host out of the list of its level.
func (h *hosts) unlink(id hostID) {
	x := h.get(id)
	if x.prev != 0 {
		h.get(x.prev).next = x.next
	} else if h.oldest[x.level] == id {
		h.oldest[x.level], h.last[x.level] = x.next, 0
	}
	if x.next != 0 {
		h.get(x.next).prev = x.prev
	} else if h.newest[x.level] == id {
		h.newest[x.level] = x.prev
	}
	x.prev, x.next = 0, 0
}

// touch makes a host the newest of a level.
func (h *hosts) touch(id hostID, level uint8) {
	x := h.get(id)
	if x.level == level && h.newest[level] == id {
		return
	}
	h.unlink(id)
	x.level = level
	x.prev = h.newest[level]
	if x.prev != 0 {
		h.get(x.prev).next = id
	} else {
		h.oldest[level], h.last[level] = id, 0
	}
	h.newest[level] = id
}

// window gives a host's window, nil when it has only one line.
func (h *hosts) window(x *host) *window {
	if x.win == 0 {
		return nil
	}
	return &h.windows[x.win>>chunkBits][x.win&(chunkSize-1)]
}

// newWindow gives a host a window that holds its first line.
func (h *hosts) newWindow(x *host, peers bool) *window {
	if n := len(h.freeWindows); n > 0 {
		x.win, h.freeWindows = h.freeWindows[n-1], h.freeWindows[:n-1]
	} else {
		x.win = h.usedWindows
		h.usedWindows++
		if int(x.win>>chunkBits) == len(h.windows) {
			h.windows = append(h.windows, make([]window, chunkSize))
		}
	}
	w := h.window(x)
	w.buf = w.few[:0] // windows never move
	if peers {
		w.seen = map[uint32]int{}
	}
	w.add(x.first)
	return w
}

func (h *hosts) dropWindow(x *host) {
	if w := h.window(x); w != nil {
		*w = window{}
		h.freeWindows = append(h.freeWindows, x.win)
		x.win = 0
	}
}

// lines are a host's lines in order of time; valid until its next event.
func (h *hosts) lines(x *host) []entry {
	if w := h.window(x); w != nil {
		return w.entries()
	}
	return []entry{x.first}
}

// sample are peer ids that a host's lines showed.
func (h *hosts) sample(x *host) []string {
	if w := h.window(x); w != nil {
		return w.peers()
	}
	return nil
}
