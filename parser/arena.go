package parser

import "strings"

// arena keeps decoded text. It only ever appends, so that the strings it gave
// stay valid, and starts a new block when one is full: decoding costs no
// allocation per line.
type arena struct{ b strings.Builder }

const arenaBlock = 64 << 10

// room makes sure that n bytes can be written without moving the block, and
// returns the position where they begin.
func (a *arena) room(n int) int {
	if a.b.Cap()-a.b.Len() < n {
		a.b = strings.Builder{}
		a.b.Grow(max(n, arenaBlock))
	}
	return a.b.Len()
}

// since gives what was written from position from on.
func (a *arena) since(from int) string { return a.b.String()[from:] }

// join appends both.
func (a *arena) join(s, t string) string {
	from := a.room(len(s) + len(t))
	a.b.WriteString(s)
	a.b.WriteString(t)
	return a.since(from)
}
