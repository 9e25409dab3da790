package parser

import "golang.org/x/sys/cpu"

var haveTeddy = cpu.X86.HasAVX2

// teddyScan looks on from from for a place in s where a fingerprint may stand,
// for about teddyReach bytes. It gives the place, or where it ended, and how
// many newlines are before it, from from on. s must have at least teddyMin
// bytes, and from be at most its length. It does not look at s's last bytes,
// fewer than fingerprintLen, where no fingerprint has room.
//
//go:noescape
func teddyScan(masks *teddyMasks, s string, from int) (at, newlines int, found bool)

// vectorRun gives how many bytes at the start of s are of the class, or fewer, if
// less than 32 bytes follow.
//
//go:noescape
func vectorRun(s string, class *vectorClass) int
