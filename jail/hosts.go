package jail

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/p2pban/p2pban/parser"
)

// hostID is a host's place in the table; 0 is none.
type hostID uint32

// host is one host that a jail tracks, or has banned: see mark. It holds no
// pointer, and its oldest line lies inside it; all of it is one line of the
// processor's cache, of 64 bytes.
type host struct {
	hi, lo uint64 // the address, as in key
	// The oldest line, as in entry; its transport stands in state.
	at           instant
	sum          int64 // failures: the weights of all lines
	weight, peer uint32
	sample       sampleID // peer ids of the lines after the first
	chain        hostID   // next in the hash bucket, or in the free list
	turn         uint32   // its turn in its queue; see queue
	more         blockID  // the block of the newest line, 0 when there is one line
	port, rule   uint16
	bits         uint8 // of the prefix, as in key
	state        uint8 // level, held and transport
	banned       bool  // see mark
}

// How a host's state is put together. The level is its failures as eighths of
// what is a ban, at its last event; held says that the guard holds its ban back.
const (
	levels         = 8
	stateLevel     = levels - 1 // the bits of the level
	stateHeld      = levels
	transportShift = 4
)

// All transports fit beside level and held.
var _ [1<<(8-transportShift) - len(parser.Transports)]struct{}

func (h *host) level() uint8     { return h.state & stateLevel }
func (h *host) setLevel(l uint8) { h.state = h.state&^stateLevel | l }
func (h *host) held() bool       { return h.state&stateHeld != 0 }

func (h *host) setHeld(held bool) {
	h.state &^= stateHeld
	if held {
		h.state |= stateHeld
	}
}

// first is the oldest line.
func (h *host) first() entry {
	return entry{at: h.at, weight: h.weight, peer: h.peer, rule: h.rule, port: h.port, transport: h.state >> transportShift}
}

func (h *host) setFirst(e entry) {
	h.at, h.weight, h.peer, h.rule, h.port = e.at, e.weight, e.peer, e.rule, e.port
	h.state = h.state&(stateLevel|stateHeld) | e.transport<<transportShift
}

const (
	hostBits  = 10
	hostChunk = 1 << hostBits
)

// hosts is a hash table of one jail's hosts, and what they have besides.
type hosts struct {
	seed   [2]uint64
	chunks []*[hostChunk]host
	used   hostID // places handed out so far, counting the unused place 0
	free   hostID // places given back, by chain
	index  *buckets

	turn    uint32 // the last turn given
	blocks  slab[block]
	samples slab[sample]
}

func newHosts(seed [2]uint64, index *buckets) hosts {
	return hosts{seed: seed, used: 1, index: index}
}

func (h *hosts) get(id hostID) *host { return &h.chunks[id>>hostBits][id&(hostChunk-1)] }

// key is a prefix as the table compares it: the bytes of its address, IPv4
// mapped into IPv6, and the bits that it has in its own family. The zero key is
// no prefix.
type key struct {
	hi, lo uint64
	bits   uint8
}

func keyOf(p netip.Prefix) key {
	k := addrKey(p.Addr())
	k.bits = uint8(p.Bits())
	return k
}

// addrKey is the key of a whole address.
func addrKey(a netip.Addr) key {
	if a.Is4() {
		b := a.As4()
		return key{0, 0xffff<<32 | uint64(binary.BigEndian.Uint32(b[:])), 32}
	}
	b := a.As16()
	return key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), uint8(a.BitLen())}
}

func (k *key) is4() bool { return k.hi == 0 && k.lo>>32 == 0xffff }

// masked is the prefix around a whole address with so many bits.
func (k *key) masked(bits uint8) key {
	m := key{k.hi, k.lo, bits}
	if k.is4() {
		bits += 96
	}
	if bits < 64 {
		m.hi, m.lo = k.hi&^(1<<(64-bits)-1), 0
	} else {
		m.lo &^= 1<<(128-bits) - 1
	}
	return m
}

func (k *key) prefix() netip.Prefix { return netip.PrefixFrom(k.addr(), int(k.bits)) }

func (k *key) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], k.hi)
	binary.BigEndian.PutUint64(b[8:], k.lo)
	return netip.AddrFrom16(b).Unmap()
}

// hash is such that who does not know the seed can't choose keys that collide.
func (k key) hash(seed *[2]uint64) uint64 {
	hi, lo := bits.Mul64(k.lo^seed[0], k.hi^uint64(k.bits)^seed[1])
	return hi ^ lo
}

func (x *host) key() key { return key{x.hi, x.lo, x.bits} }

func (x *host) prefix() netip.Prefix {
	k := x.key()
	return k.prefix()
}

// find gives 0 when the host is not tracked.
func (h *hosts) find(p netip.Prefix) hostID {
	k := keyOf(p)
	if id := h.along(h.index.of(k.hash(&h.seed)).id, &k); id != 0 && !h.get(id).banned {
		return id
	}
	return 0
}

// along looks for a host from one place of its chain on, and gives 0 when it is
// not in the table.
func (h *hosts) along(id hostID, k *key) hostID {
	for id != 0 {
		x := h.get(id)
		if x.is(k) {
			break
		}
		id = x.chain
	}
	return id
}

func (x *host) is(k *key) bool { return x.lo == k.lo && x.hi == k.hi && x.bits == k.bits }

// insert puts a host into the table that is not in it, and in no queue.
func (h *hosts) insert(k *key, hash uint64, first entry) hostID {
	id := h.free
	if id != 0 {
		h.free = h.get(id).chain
	} else {
		id = h.used
		h.used++
		if int(id>>hostBits) == len(h.chunks) {
			h.chunks = append(h.chunks, new([hostChunk]host))
		}
	}
	x := h.get(id)
	*x = host{hi: k.hi, lo: k.lo, bits: k.bits, sum: int64(first.weight)}
	x.setFirst(first)
	b := h.index.of(hash)
	x.chain, b.id = b.id, id
	h.index.count++
	return id
}

// share gives a new bucket its share of another one's hosts.
func (h *hosts) share(from *bucket) {
	id := from.id
	from.id = 0
	for id != 0 {
		x := h.get(id)
		next := x.chain
		b := h.index.of(x.key().hash(&h.seed))
		x.chain, b.id = b.id, id
		id = next
	}
}

// remove forgets a host, which is in no queue any more, and says how many lines
// it had.
func (h *hosts) remove(id hostID) int {
	x := h.get(id)
	link := &h.index.of(x.key().hash(&h.seed)).id
	for *link != id {
		link = &h.get(*link).chain
	}
	*link = x.chain
	lines := 1 + h.dropBlocks(x)
	if x.sample != 0 {
		*h.samples.get(uint32(x.sample)) = sample{}
		h.samples.drop(uint32(x.sample))
	}
	*x = host{chain: h.free}
	h.free = id
	h.index.count--
	return lines
}
