package jail

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"

	"github.com/cespare/xxhash/v2"
)

const (
	// lately is what the guard means by "seen lately": between half of it and
	// all of it, as the older half is dropped at once.
	lately = time.Hour
	// sketchBits is the size of a sketch: 16 KiB, within 1 % up to 300,000
	// hosts, and without an upper bound on what it counts low.
	sketchBits = 1 << 17
)

// distinct estimates how many distinct hosts there were lately, in constant
// memory, by linear counting (Whang, Vander-Zanden, Taylor, "A linear-time
// probabilistic counting algorithm for database applications", 1990): each
// host sets one bit, and the bits still clear tell the number.
type distinct struct {
	since instant // start of the younger half
	// young has the hosts of the younger half, both those of both halves.
	young, both sketch
}

type sketch struct {
	words []uint64 // nil while empty
	set   int
}

func (k *sketch) has(bit uint32) bool {
	return k.words != nil && k.words[bit/64]&(1<<(bit%64)) != 0
}

func (k *sketch) add(bit uint32) {
	if k.words == nil {
		k.words = make([]uint64, sketchBits/64)
	}
	if !k.has(bit) {
		k.words[bit/64] |= 1 << (bit % 64)
		k.set++
	}
}

func (k *sketch) recount() {
	k.set = 0
	for _, w := range k.words {
		k.set += bits.OnesCount64(w)
	}
}

// estimate is the number of hosts behind so many bits, whole.
func estimate(set int) float64 {
	clear := max(sketchBits-set, 1)
	return math.Round(sketchBits * math.Log(float64(sketchBits)/float64(clear)))
}

// half is what a sketch lasts. It begins at a whole half hour, so that hosts
// banned and hosts seen are counted over the same time.
const half = instant(lately / 2)

// turn drops the older half when the younger one is full.
func (d *distinct) turn(now instant) {
	switch age := now - d.since; {
	case d.since != 0 && age < half:
		return
	case d.since != 0 && age < 2*half:
		d.both, d.young = d.young, sketch{}
		d.both.words = append([]uint64(nil), d.both.words...)
		d.since += half
	default:
		*d = distinct{since: now - now%half}
	}
}

// back is for a clock that is set back.
func (d *distinct) back(by instant) {
	d.since = d.since.back(by)
	d.since -= d.since % half
}

// add notes a host by its guardBit.
func (d *distinct) add(bit uint32, now instant) {
	if d.since == 0 || now-d.since >= half {
		d.turn(now)
	}
	if !d.young.has(bit) { // and so perhaps not both
		d.young.add(bit)
		d.both.add(bit)
	}
}

// count estimates the hosts lately.
func (d *distinct) count(now instant) float64 {
	d.turn(now)
	return estimate(d.both.set)
}

// countWith estimates them as if the host of a bit were among them.
func (d *distinct) countWith(bit uint32, now instant) float64 {
	d.turn(now)
	if d.both.has(bit) {
		return estimate(d.both.set)
	}
	return estimate(d.both.set + 1)
}

// guardBit is the bit of a host, given by its whole address. All that one
// customer can hold is one host here, for he could otherwise make the guard
// believe what he likes: an IPv6 /48, and of Teredo every address with his IPv4
// address in its last bits (RFC 4380 §4), as the rest is his choice.
func guardBit(host *key) uint32 {
	k := *host
	if !k.is4() {
		net := k.masked(widenIPv6)
		switch {
		case k.hi>>32 == teredo:
			k = key{hi: teredo << 32, lo: k.lo & (1<<32 - 1), bits: k.bits}
		case !net.maybeShared() || !overlapsShared(net.prefix()):
			k = net
		}
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], k.hi)
	binary.BigEndian.PutUint64(b[8:], k.lo)
	return uint32(xxhash.Sum64(b[:]) % sketchBits)
}
