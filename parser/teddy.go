package parser

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// teddy finds needles as the part of that name in Intel's Hyperscan does: four
// bytes of each needle, its fingerprint, are looked up at 32 places of a text at
// once, nibble by nibble, with the processor's byte shuffle. Only where all
// eight nibbles may belong to one bucket of needles is the text compared. It
// takes a fifth of what the prefilter's table takes, and needs AVX2.
type teddy struct {
	masks   teddyMasks
	buckets [teddyBuckets][]fingerprint
}

const (
	teddyBuckets   = 8 // one for each bit of a byte
	fingerprintLen = 4
	// teddyMin is the least text it can look at: one step and its four loads.
	teddyMin = 32 + fingerprintLen - 1
	// teddyReach is how far one scan looks, in whole steps; each of the newlines' counters
	// is a byte.
	teddyReach = 96 * 32
)

// teddyMasks says for the low and then the high nibble of each byte of a
// fingerprint which buckets have such a one there; twice, because a shuffle
// works on halves of 16 bytes. The last two are what cuts a low nibble off, and
// newlines.
type teddyMasks [2*fingerprintLen + 2][32]uint8

// fingerprint is fingerprintLen bytes of a needle, from byte at of it on.
type fingerprint struct {
	needle string
	at     int
}

func (p fingerprint) byte(i int) byte { return p.needle[p.at+i] }

// newTeddy returns nil on processors that can't.
func newTeddy(needles []string) *teddy {
	if !haveTeddy {
		return nil
	}
	t := &teddy{buckets: bucketsOf(fingerprints(needles))}
	for i, bucket := range t.buckets {
		for _, p := range bucket {
			for k := range fingerprintLen {
				for half := 0; half < 32; half += 16 {
					t.masks[2*k][half+int(p.byte(k)&15)] |= 1 << i
					t.masks[2*k+1][half+int(p.byte(k)>>4)] |= 1 << i
				}
			}
		}
	}
	for i := range t.masks[2*fingerprintLen] {
		t.masks[2*fingerprintLen][i], t.masks[2*fingerprintLen+1][i] = 15, '\n'
	}
	return t
}

// fingerprints chooses for each needle the four of its bytes that are likely to stand
// in the fewest lines. A needle that holds another is left out: where it
// stands, the other is found.
func fingerprints(needles []string) []fingerprint {
	count := map[string]int{} // of fingerprintLen letters in all needles
	for _, n := range needles {
		for lower := strings.ToLower(n); len(lower) >= fingerprintLen; lower = lower[1:] {
			count[lower[:fingerprintLen]]++
		}
	}
	var out []fingerprint
	for i, n := range needles {
		if covered(n, needles[:i], needles[i+1:]) {
			continue
		}
		lower := strings.ToLower(n)
		best, least := 0, math.Inf(1)
		for at := 0; at+fingerprintLen <= len(n); at++ {
			often := 1.0
			for k := range fingerprintLen {
				often *= common[n[at+k]]
			}
			// A word of more than one needle stands in many other lines too.
			if often < least {
				n := float64(count[lower[at:at+fingerprintLen]])
				often *= n * n
			}
			if often < least {
				best, least = at, often
			}
		}
		out = append(out, fingerprint{n, best})
	}
	return out
}

// covered tells whether n stands before, or holds another needle.
func covered(n string, before, after []string) bool {
	for _, o := range before {
		if strings.Contains(n, o) {
			return true
		}
	}
	for _, o := range after {
		if n != o && strings.Contains(n, o) {
			return true
		}
	}
	return false
}

// common is roughly how often an ASCII byte stands in a log, in percent.
var common = func() (t [256]float64) {
	for c := range t {
		b := byte(c)
		switch {
		case strings.IndexByte("etaoinsr", b) >= 0:
			t[c] = 6
		case isDigit(b):
			t[c] = 4
		case 'a' <= b && b <= 'z', strings.IndexByte(" :/.", b) >= 0:
			t[c] = 2.5
		default:
			t[c] = 1
		}
	}
	return t
}()

// bucketsOf puts each fingerprint where it adds least to what passes, those that
// pass most by themselves first: they are to share a bucket last.
func bucketsOf(all []fingerprint) (b [teddyBuckets][]fingerprint) {
	alone := make(map[fingerprint]float64, len(all))
	for _, p := range all {
		var n nibbles
		n.add(p, 1)
		alone[p] = n.passing()[0]
	}
	slices.SortStableFunc(all, func(p, q fingerprint) int { return cmp.Compare(alone[q], alone[p]) })
	var n nibbles
	var passed [teddyBuckets]float64
	for _, p := range all {
		with := n
		with.add(p, everyBucket)
		passing := with.passing()
		best := 0
		for i := range b {
			if passing[i]-passed[i] < passing[best]-passed[best] {
				best = i
			}
		}
		b[best] = append(b[best], p)
		n.add(p, 1<<(best*fingerprintLen))
		passed[best] = passing[best]
	}
	return b
}

// usual is what stands in nearly every line of one log or another, and the words of
// lines that nodes print most. A bucket that passes four bytes of it stops the search
// once a line, whatever it passes by chance: three needles more, with which one passed
// " msg", had a sparse log take 1.8 times; seven, of which one passed "ted:", 1.5 times.
const usual = `ts=2026-01-01T00:00:00.020Z level=debug level=info level=warn level=error source=/go/pkg/mod/github.com/libp2p/go-libp2p@v0.51.0/p2p/net/swarm/swarm_dial.go:551 source=/go/pkg/mod/github.com/libp2p/go-libp2p-kad-dht@v0.34.0/query.go:410 msg="x" logger=net logger=swarm2 logger=dht logger=basichost logger=upgrader err="x" error="x" peer=12D3KooW addr=/ip4/10.0.0.1/tcp/4001/udp/4001/quic-v1/p2p/
time=2026	DEBUG	INFO	WARN	ERROR	swarm2	{"peer": "x", "error": "x"}
{"level":"info","ts":"2026","logger":"dht","caller":"x.go:551","msg":"x","time":"x","timestamp":"x","fields":{"message":"x","target":"libp2p_swarm"}}
00Z DEBUG TRACE  INFO  WARN ERROR libp2p_swarm: connection peer_id=
{"log":"x","stream":"stdout","stream":"stderr","time":"x"} 000000+00:00 stdout F stderr F
Jan 01 00:00:00 host node[1]: p2p/upgrader/listener.go:109 basic/basic_host.go:428 identify/id.go:411 canonical-log swarm/swarm_listen.go:168
negotiated: /ipfs/kad/1.0.0 took 12.345678ms got connection: <---> opening connection to [12D3KooW]: dial backoff, 8 addresses left 0 addresses 2 addresses 5 addresses 6 addresses
connected: connected to disconnected from closed started: finished: received added inbound_ outbound_
libp2p:connection-manager closing 0 connections libp2p:tcp new inbound connection peers: 42, slot: 123, epoch: 45, block: 0x
`

// onceALine is how often what stands once in a line of 200 bytes stands at a place,
// as passing counts: percent to the power of fingerprintLen.
const onceALine = 1e8 / 200

// nibbles are the low and the high ones that some fingerprints have. The bit of
// 1 << (bucket*fingerprintLen + k) stands for byte k of those in a bucket.
type nibbles struct{ low, high [16]uint32 }

// everyBucket has the first bit of each bucket.
const everyBucket = 0x11111111

// add adds a fingerprint to the buckets whose first bits are given.
func (n *nibbles) add(p fingerprint, buckets uint32) {
	for k := range fingerprintLen {
		n.low[p.byte(k)&15] |= buckets << k
		n.high[p.byte(k)>>4] |= buckets << k
	}
}

// passing is how often, roughly, each bucket passes.
func (n *nibbles) passing() (often [teddyBuckets]float64) {
	for i := range often {
		often[i] = 1
		for k := range fingerprintLen {
			often[i] *= n.share(1 << (i*fingerprintLen + k))
		}
	}
	for i, places := range n.places(usual) {
		often[i] += onceALine * float64(places)
	}
	return often
}

// share is how many of the bytes of a log have the nibbles of a bit, in percent.
func (n *nibbles) share(bit uint32) (sum float64) {
	for h, high := range n.high {
		if high&bit == 0 {
			continue
		}
		for l, low := range n.low {
			if low&bit != 0 {
				sum += common[h<<4|l]
			}
		}
	}
	return sum
}

// places is at how many places of s each bucket passes.
func (n *nibbles) places(s string) (count [teddyBuckets]int) {
	passed := uint32(0) // the bit of byte k: it and those before it have passed
	for i := range len(s) {
		passed = (passed<<1 | everyBucket) & n.low[s[i]&15] & n.high[s[i]>>4]
		for whole := passed & (everyBucket << (fingerprintLen - 1)); whole != 0; whole &= whole - 1 {
			count[bits.TrailingZeros32(whole)/fingerprintLen]++
		}
	}
	return count
}

// find gives where the fingerprint of a needle that stands in s is, at or after
// from; -1 when there is none. s has at least teddyMin bytes.
func (t *teddy) find(s string, from int) int {
	for from <= len(s)-fingerprintLen {
		at, _, found := teddyScan(&t.masks, s, from)
		if found && t.needleAt(s, at) {
			return at
		}
		if from = at; found {
			from++
		}
	}
	return -1
}

// maybe gives the buckets that pass the bytes of s at at.
func (t *teddy) maybe(s string, at int) uint8 {
	maybe := uint8(0xff)
	for k := range fingerprintLen {
		c := s[at+k]
		maybe &= t.masks[2*k][c&15] & t.masks[2*k+1][c>>4]
	}
	return maybe
}

// needleAt tells whether a needle stands in s with its fingerprint at at.
func (t *teddy) needleAt(s string, at int) bool {
	for maybe := t.maybe(s, at); maybe != 0; maybe &= maybe - 1 {
		for _, p := range t.buckets[bits.TrailingZeros8(maybe)] {
			if p.at <= at && strings.HasPrefix(s[at-p.at:], p.needle) {
				return true
			}
		}
	}
	return false
}
