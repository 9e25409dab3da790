package jail

import (
	"slices"
	"strings"
)

// entry is one counted line. It holds no pointer, so that a million of them
// cost the garbage collector nothing.
type entry struct {
	at        instant
	weight    uint32
	peer      uint32 // hash of the peer id, 0 when the line has none
	rule      uint16 // index in the jail's rules
	port      uint16 // 0 when unknown
	transport uint8  // index in transports
}

// window is what a host with more than one counted line has: its lines in
// order of time, those of one instant in order of arrival.
type window struct {
	// buf[head:] are the lines; what is before has left the window. It begins
	// in few, which saves an allocation and a cache miss for most hosts.
	buf  []entry
	head int32
	// returning is how many peers have two lines or more, and seen counts lines
	// by peer; both are kept only where the jail asks about peers.
	returning int32
	seen      map[uint32]int
	// sum is the failures: the weights of the lines.
	sum int64
	// sample are peer ids seen, the first few; lastPeer is the hash of the one
	// seen last.
	sample   []peer
	lastPeer uint32
	few      [4]entry
}

// peer is a peer id with its hash.
type peer struct {
	hash uint32
	id   string
}

func (w *window) entries() []entry { return w.buf[w.head:] }

// add puts e in its place. A line in order is appended; one out of order moves
// those after it.
func (w *window) add(e entry) {
	if len(w.buf) == cap(w.buf) && int(w.head) > len(w.buf)/2 {
		// Half of the memory has left the window: use it again, don't grow.
		n := copy(w.buf, w.buf[w.head:])
		w.buf, w.head = w.buf[:n], 0
	}
	if live := w.entries(); len(live) == 0 || live[len(live)-1].at <= e.at {
		w.buf = append(w.buf, e)
	} else {
		i, _ := slices.BinarySearchFunc(live, e.at, func(x entry, t instant) int {
			if x.at <= t {
				return -1
			}
			return 1
		})
		w.buf = slices.Insert(w.buf, int(w.head)+i, e)
	}
	w.sum += int64(e.weight)
	w.countPeer(e.peer, 1)
}

// dropFirst lets the oldest line leave.
func (w *window) dropFirst() {
	e := w.buf[w.head]
	w.head++
	w.sum -= int64(e.weight)
	w.countPeer(e.peer, -1)
}

// trim lets every line older than start leave and says how many did.
func (w *window) trim(start instant) int {
	before := w.head
	for int(w.head) < len(w.buf) && w.buf[w.head].at < start {
		w.dropFirst()
	}
	return int(w.head - before)
}

func (w *window) countPeer(peer uint32, d int) {
	if w.seen == nil || peer == 0 {
		return
	}
	n := w.seen[peer] + d
	switch {
	case n == 0:
		delete(w.seen, peer)
	default:
		w.seen[peer] = n
	}
	switch {
	case d > 0 && n == 2:
		w.returning++
	case d < 0 && n == 1:
		w.returning--
	}
}

// keepPeer remembers the text of a peer id while there is room.
func (w *window) keepPeer(hash uint32, id string) {
	if hash == w.lastPeer {
		return
	}
	w.lastPeer = hash
	if len(w.sample) == MaxEvidencePeers {
		return
	}
	for i := range w.sample {
		if w.sample[i].hash == hash {
			return
		}
	}
	w.sample = append(w.sample, peer{hash, strings.Clone(id)})
}

// peers are the ids kept.
func (w *window) peers() []string {
	var ids []string
	for _, p := range w.sample {
		ids = append(ids, p.id)
	}
	return ids
}
