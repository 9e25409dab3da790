package jail

import "iter"

// entry is one counted line. It holds no pointer, so that a million of them
// cost the garbage collector nothing.
type entry struct {
	at        instant
	weight    uint32
	peer      uint32 // hash of the peer id, 0 when the line has none
	rule      uint16 // index in the jail's rules
	port      uint16 // 0 when unknown
	transport uint8  // a parser.Transport
}

// A host's window is its lines in order of time, those of one instant in order
// of arrival: the first in the host itself, the others in a ring of blocks.
type blockID uint32

// block is some lines of a window, lines[from:to], at least one: two lines of
// the processor's cache. Blocks form a ring, in which the one of the newest
// lines, that the host names, comes before the one of the oldest.
type block struct {
	next     blockID
	from, to uint8
	lines    [blockLines]entry
}

const blockLines = 5

func (b *block) newest() *entry { return &b.lines[b.to-1] }

func (h *hosts) block(id blockID) *block { return h.blocks.get(uint32(id)) }

// newBlock makes a block of one line, to stand at place i in it.
func (h *hosts) newBlock(e entry, i uint8) (blockID, *block) {
	id := blockID(h.blocks.take())
	b := h.block(id)
	b.next, b.from, b.to = id, i, i+1
	b.lines[i] = e
	return id, b
}

// add puts a line in its place in a host's window.
func (h *hosts) add(x *host, e entry) {
	x.sum += int64(e.weight)
	if e.at < x.at {
		e, first := x.first(), e
		x.setFirst(first)
		h.pushFront(x, e)
		return
	}
	if x.more == 0 {
		x.more, _ = h.newBlock(e, 0)
		return
	}
	b := h.block(x.more)
	switch {
	case b.newest().at > e.at:
		h.squeeze(x, e)
	case b.to < blockLines:
		b.lines[b.to] = e
		b.to++
	default:
		h.addBlock(x, x.more, b, e)
	}
}

// addBlock adds a block of one line after block b, of number id.
func (h *hosts) addBlock(x *host, id blockID, b *block, e entry) *block {
	newID, added := h.newBlock(e, 0)
	added.next, b.next = b.next, newID
	if x.more == id {
		x.more = newID
	}
	return added
}

// pushFront puts a line before all those in blocks.
func (h *hosts) pushFront(x *host, e entry) {
	if x.more == 0 {
		x.more, _ = h.newBlock(e, 0)
		return
	}
	newest := h.block(x.more)
	if oldest := h.block(newest.next); oldest.from > 0 {
		oldest.from--
		oldest.lines[oldest.from] = e
		return
	}
	id, b := h.newBlock(e, blockLines-1)
	b.next, newest.next = newest.next, id
}

// squeeze puts a line that is out of order before the later ones, in the last
// block that begins with a line not later, or in the first.
func (h *hosts) squeeze(x *host, e entry) {
	id := h.block(x.more).next
	b := h.block(id)
	for id != x.more {
		next := h.block(b.next)
		if next.lines[next.from].at > e.at {
			break
		}
		id, b = b.next, next
	}
	if b.from == 0 && b.to == blockLines {
		const half = blockLines / 2
		after := h.addBlock(x, id, b, b.lines[half])
		copy(after.lines[:], b.lines[half:])
		b.to, after.to = half, blockLines-half
		if after.lines[0].at <= e.at {
			b = after
		}
	}
	b.insert(e)
}

// insert puts a line into a block that has room, after those not later.
func (b *block) insert(e entry) {
	if b.to == blockLines {
		copy(b.lines[:], b.lines[b.from:b.to])
		b.from, b.to = 0, b.to-b.from
	}
	i := b.to
	for ; i > b.from && b.lines[i-1].at > e.at; i-- {
		b.lines[i] = b.lines[i-1]
	}
	b.lines[i] = e
	b.to++
}

// dropFirst lets the oldest line of a window of more than one leave.
func (h *hosts) dropFirst(x *host) {
	x.sum -= int64(x.weight)
	newest := h.block(x.more)
	id := newest.next
	oldest := h.block(id)
	x.setFirst(oldest.lines[oldest.from])
	if oldest.from++; oldest.from < oldest.to {
		return
	}
	if newest.next = oldest.next; id == x.more {
		x.more = 0
	}
	h.blocks.drop(uint32(id))
}

// dropBlocks lets all lines but the first leave, and says how many those were.
func (h *hosts) dropBlocks(x *host) int {
	n := 0
	if x.more != 0 {
		for id := h.block(x.more).next; ; {
			b := h.block(id)
			next := b.next
			n += int(b.to - b.from)
			h.blocks.drop(uint32(id))
			if id == x.more {
				break
			}
			id = next
		}
	}
	x.more, x.sum = 0, int64(x.weight)
	return n
}

// last is when a host's newest line was.
func (h *hosts) last(x *host) instant {
	if x.more == 0 {
		return x.at
	}
	return h.block(x.more).newest().at
}

// lines gives a host's lines in order of time.
func (h *hosts) lines(x *host) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		if !yield(x.first()) || x.more == 0 {
			return
		}
		for id := h.block(x.more).next; ; {
			b := h.block(id)
			for _, e := range b.lines[b.from:b.to] {
				if !yield(e) {
					return
				}
			}
			if id == x.more {
				return
			}
			id = b.next
		}
	}
}

// appendLines appends a host's lines in order of time.
func (h *hosts) appendLines(to []entry, x *host) []entry {
	for e := range h.lines(x) {
		to = append(to, e)
	}
	return to
}

// lineCount is how many lines a host has.
func (h *hosts) lineCount(x *host) int {
	n := 0
	for range h.lines(x) {
		n++
	}
	return n
}

// moveTimes changes the time of every line by the same rule, which keeps their
// order.
func (h *hosts) moveTimes(x *host, move func(instant) instant) {
	x.at = move(x.at)
	if x.more == 0 {
		return
	}
	for id := h.block(x.more).next; ; {
		b := h.block(id)
		for i := b.from; i < b.to; i++ {
			b.lines[i].at = move(b.lines[i].at)
		}
		if id == x.more {
			return
		}
		id = b.next
	}
}
