//go:build !amd64

package parser

const haveTeddy = false

func teddyNext(*teddyMasks, string, int) int { panic("no teddy on this processor") }
