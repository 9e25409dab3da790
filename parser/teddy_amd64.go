package parser

import "golang.org/x/sys/cpu"

var haveTeddy = cpu.X86.HasAVX2

// teddyNext gives the first place in s at or after from where a fingerprint may
// stand, or -1. s must have at least teddyMin bytes, and from be at most its
// length.
//
//go:noescape
func teddyNext(masks *teddyMasks, s string, from int) int
