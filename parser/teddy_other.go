//go:build !amd64

package parser

const haveTeddy = false

func teddyScan(*teddyMasks, string, int) (int, int, bool) { panic("no teddy on this processor") }

func vectorRun(string, *vectorClass) int { panic("no teddy on this processor") }
