package jail

import "iter"

// queue is the hosts of one jail that are at one level, in order of their last
// event. A host that has an event takes a new turn, at the end; the turn it had
// before stays where it is and counts no more. So an event writes to the end of
// a queue and nowhere else, where a list with links would have to be read in
// two more places that no cache holds.
type queue struct {
	chunks []*[queueChunk]turn
	// head and tail are where the first turn is and where the next one goes,
	// counted from the beginning of chunks.
	head, tail int
	// live is how many turns count.
	live int
}

// turn is a host's place in a queue: it counts while the host has that number.
// Numbers begin anew after 4 billion; by then a queue has been tidied, unless no
// host took a turn in it, and the turn that counted again would be one of a
// host that stands twice in the order in which hosts are forgotten.
type turn struct {
	id     hostID
	number uint32
}

const (
	queueBits  = 9
	queueChunk = 1 << queueBits
	// A queue is tidied when it is longer than staleTurns times its live ones,
	// and some.
	staleTurns = 4
	tidyFrom   = 64
)

func (q *queue) at(i int) *turn { return &q.chunks[i>>queueBits][i&(queueChunk-1)] }

func (q *queue) push(t turn) {
	if q.tail>>queueBits == len(q.chunks) {
		q.chunks = append(q.chunks, new([queueChunk]turn))
	}
	*q.at(q.tail) = t
	q.tail++
}

// pop throws the first turn away, and reuses its chunk when that is empty.
func (q *queue) pop() {
	if q.head++; q.head == queueChunk {
		first := q.chunks[0]
		copy(q.chunks, q.chunks[1:])
		q.chunks[len(q.chunks)-1] = first
		q.head, q.tail = 0, q.tail-queueChunk
		q.shrink()
	}
}

// shrink gives back what the queue does not need; it keeps one chunk spare.
func (q *queue) shrink() {
	if need := q.tail>>queueBits + 2; len(q.chunks) > need {
		clear(q.chunks[need:])
		q.chunks = q.chunks[:need]
	}
}

// tidy throws the turns away that count no more.
func (q *queue) tidy(h *hosts) {
	to := q.head
	for i := q.head; i < q.tail; i++ {
		if t := *q.at(i); h.get(t.id).turn == t.number {
			*q.at(to) = t
			to++
		}
	}
	q.tail = to
	q.shrink()
}

// oldest gives the host that has had no event for longest, or 0.
func (q *queue) oldest(h *hosts) hostID {
	if q.live == 0 {
		return 0
	}
	for {
		if t := q.at(q.head); h.get(t.id).turn == t.number {
			return t.id
		}
		q.pop()
	}
}

// all gives the hosts, the one that has had no event for longest first.
func (q *queue) all(h *hosts) iter.Seq[hostID] {
	return func(yield func(hostID) bool) {
		for i := q.head; i < q.tail; i++ {
			if t := *q.at(i); h.get(t.id).turn == t.number && !yield(t.id) {
				return
			}
		}
	}
}

// backward gives the hosts, the one that had an event last first.
func (q *queue) backward(h *hosts) iter.Seq[hostID] {
	return func(yield func(hostID) bool) {
		for i := q.tail - 1; i >= q.head; i-- {
			if t := *q.at(i); h.get(t.id).turn == t.number && !yield(t.id) {
				return
			}
		}
	}
}

// order is the hosts of one jail by level, and at each level by their last
// event.
type order struct {
	queues [levels]queue
	// last is at or before the last line of the oldest host of a level: 0 when
	// nobody has looked since it became the oldest, never when there is none.
	last [levels]instant
	// least is at or before the least of last.
	least instant
}

func (o *order) init() {
	for level := range o.last {
		o.last[level] = never
	}
}

// unknown forgets what is known of a level's oldest host.
func (o *order) unknown(level uint8) { o.last[level], o.least = 0, 0 }

// touch makes a host the newest of a level.
func (o *order) touch(h *hosts, id hostID, level uint8) {
	x, q := h.get(id), &o.queues[level]
	if x.turn != 0 {
		if x.level() == level && q.at(q.tail-1).number == x.turn {
			return
		}
		o.leave(x)
	}
	if h.turn++; h.turn == 0 {
		h.turn++ // which stands for none
	}
	x.turn = h.turn
	x.setLevel(level)
	if q.live == 0 {
		o.unknown(level)
	}
	q.push(turn{id, x.turn})
	q.live++
	if q.tail-q.head > staleTurns*q.live+tidyFrom {
		q.tidy(h)
	}
}

// leave takes a host out of its queue.
func (o *order) leave(x *host) {
	level := x.level()
	q := &o.queues[level]
	if q.at(q.head).number == x.turn {
		o.unknown(level)
	}
	x.turn = 0
	if q.live--; q.live == 0 {
		q.head, q.tail = 0, 0
		q.shrink()
		o.last[level] = never
	}
}

// all gives the hosts by level, from the lowest, and at each level the one that
// has had no event for longest first.
func (o *order) all(h *hosts) iter.Seq[hostID] {
	return func(yield func(hostID) bool) {
		for level := range o.queues {
			for id := range o.queues[level].all(h) {
				if !yield(id) {
					return
				}
			}
		}
	}
}

// first gives the host to be forgotten first, or 0.
func (o *order) first(h *hosts) hostID {
	for level := range o.queues {
		if id := o.queues[level].oldest(h); id != 0 {
			return id
		}
	}
	return 0
}
