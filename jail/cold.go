package jail

import (
	"cmp"
	"iter"
	"slices"
)

// Most hosts of a flood are seen once or a few times, far from any ban. They
// are cold: all that is kept of them is their lines, in the order in which they
// came, in one row for the whole jail. A line is written at the row's end and
// thrown away at its beginning, so that such a host costs one read, of where it
// was seen last, and no place among the tracked hosts. A host with more than
// coldLines lines, or with an eighth of what is a ban, is tracked by itself.

// coldLines bounds the lines of one host in the row, which are all read at each
// of its events, each elsewhere in memory: by eight an event of one of a million
// hosts with four lines each took a third longer than by two, and a log whose
// hosts follow Zipf's law no less time.
const coldLines = 2

// lineNo is the number of a line in a row, counting all that ever were in it;
// after 4 billion it begins anew. 0 is none.
type lineNo uint32

// coldLine is one line. It holds no pointer, and begins with what is read of the
// lines of others. What is gone has left before the end of its time: only its
// place remains.
type coldLine struct {
	hi, lo uint64 // the address, as in key
	prev   lineNo // the line before in its bucket; out of the row when there is none
	bits   uint8  // of the prefix, as in key
	later  bool   // the host has a later line in the row
	gone   bool
	entry
}

func (l *coldLine) key() key { return key{l.hi, l.lo, l.bits} }

func (l *coldLine) is(k *key) bool { return l.lo == k.lo && l.hi == k.hi && l.bits == k.bits }

const (
	coldBits  = 10
	coldChunk = 1 << coldBits
)

// cold is the row of one jail's cold lines. Those of one bucket form a chain,
// the newest first, so that the oldest line of the row is the last of its chain
// and can be thrown away without being looked for.
type cold struct {
	seed  [2]uint64
	index *buckets
	// chunks hold the lines from tail up to head; base is the number of the
	// first place in them.
	chunks           []*[coldChunk]coldLine
	base, tail, head lineNo
	lines, hosts     int // without what is gone
}

func newCold(seed [2]uint64, index *buckets) cold {
	return cold{seed: seed, index: index, base: 1, tail: 1, head: 1}
}

// places is how many lines are in the row, with what is gone.
func (c *cold) places() int { return int(c.head - c.tail) }

// has tells whether a line is in the row; 0 never is.
func (c *cold) has(no lineNo) bool { return no-c.tail < c.head-c.tail && no != 0 }

func (c *cold) at(no lineNo) *coldLine {
	i := no - c.base
	return &c.chunks[i>>coldBits][i&(coldChunk-1)]
}

// coldWindow is what a host's lines in the row come to.
type coldWindow struct {
	lines    int
	failures int64
	newest   *coldLine
}

// window throws away those of a host's lines that are older than start, and says
// what is left; b is the host's bucket. The host gets a new line next, or is taken.
func (c *cold) window(b *bucket, k *key, start instant) (w coldWindow) {
	dropped := false
	link := &b.line
	for no := *link; c.has(no); no = *link {
		l := c.at(no)
		if l.is(k) {
			if l.entry.at < start {
				*link, l.gone, dropped = l.prev, true, true
				c.lines--
				continue
			}
			if w.newest == nil {
				w.newest = l
			}
			w.lines++
			w.failures += int64(l.weight)
		}
		link = &l.prev
	}
	if dropped && w.newest == nil {
		c.hosts--
	}
	return w
}

// push adds a line of the host of which b is the bucket and newest the newest
// line in the row, nil if there is none.
func (c *cold) push(b *bucket, k *key, e entry, newest *coldLine) {
	if c.head == 0 {
		*c.place() = coldLine{gone: true} // no line has the number that stands for none
	}
	no := c.head
	l := c.place()
	l.hi, l.lo, l.bits, l.entry, l.prev, l.later, l.gone = k.hi, k.lo, k.bits, e, b.line, false, false
	b.line = no
	if newest != nil {
		newest.later = true
	} else {
		c.hosts++
	}
	c.lines++
}

// place is the place of number head, which moves on; what it holds is old.
func (c *cold) place() *coldLine {
	if int((c.head-c.base)>>coldBits) == len(c.chunks) {
		c.chunks = append(c.chunks, new([coldChunk]coldLine))
	}
	c.head++
	c.index.count++
	return c.at(c.head - 1)
}

// share gives a new bucket its share of another one's lines.
func (c *cold) share(from, to *bucket) {
	no := from.line
	from.line = 0
	stay, move := &from.line, &to.line
	for c.has(no) {
		l := c.at(no)
		k := l.key()
		link := &stay
		if c.index.of(k.hash(&c.seed)) == to {
			link = &move
		}
		**link = no
		*link = &l.prev
		no, l.prev = l.prev, 0
	}
}

// pop throws the oldest line away.
func (c *cold) pop() {
	l := c.at(c.tail)
	if !l.gone {
		k := l.key()
		if b := c.index.of(k.hash(&c.seed)); b.line == c.tail {
			b.line = 0
		}
		if c.lines--; !l.later {
			c.hosts--
		}
	}
	c.index.count--
	if c.tail++; c.tail-c.base == coldChunk {
		first := c.chunks[0]
		n := copy(c.chunks, c.chunks[1:])
		c.chunks[n] = nil
		c.chunks = c.chunks[:n]
		if full := int((c.head - c.tail) >> coldBits); n <= full+1 {
			c.chunks = append(c.chunks, first) // to be used again
		}
		c.base = c.tail
	}
}

// leaves tells whether the oldest line has left the window that begins at start.
func (c *cold) leaves(start instant) bool {
	if c.tail == c.head {
		return false
	}
	l := c.at(c.tail)
	return l.gone || l.entry.at < start
}

// of gives a host's lines in order of time, nil when it is not cold.
func (c *cold) of(k *key, hash uint64) []entry {
	var lines []entry
	for no := c.index.of(hash).line; c.has(no); no = c.at(no).prev {
		if l := c.at(no); l.is(k) {
			lines = append(lines, l.entry)
		}
	}
	slices.Reverse(lines)
	slices.SortStableFunc(lines, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	return lines
}

// take gives a host's lines in order of time; it is cold no more.
func (c *cold) take(k *key, hash uint64) []entry {
	lines := c.of(k, hash)
	c.window(c.index.of(hash), k, never)
	return lines
}

// all gives the hosts, the one that has had no event for longest first.
func (c *cold) all() iter.Seq2[key, []entry] {
	return func(yield func(key, []entry) bool) {
		for no := c.tail; no != c.head; no++ {
			if !c.yield(no, yield) {
				return
			}
		}
	}
}

// backward gives the hosts, the one that had an event last first.
func (c *cold) backward() iter.Seq2[key, []entry] {
	return func(yield func(key, []entry) bool) {
		for no := c.head; no != c.tail; no-- {
			if !c.yield(no-1, yield) {
				return
			}
		}
	}
}

// yield gives the host of a line if that is its newest.
func (c *cold) yield(no lineNo, yield func(key, []entry) bool) bool {
	l := c.at(no)
	if l.gone || l.later {
		return true
	}
	k := l.key()
	return yield(k, c.of(&k, k.hash(&c.seed)))
}

// moveTimes changes the time of every line by the same rule, which keeps their
// order.
func (c *cold) moveTimes(move func(instant) instant) {
	for no := c.tail; no != c.head; no++ {
		l := c.at(no)
		l.entry.at = move(l.entry.at)
	}
}
