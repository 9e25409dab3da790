package jail

import "strings"

// shown is what a jail keeps besides the window of a host whose peers it
// counts, or that the guard holds back: there a window can be longer than what
// is enough for a ban, and is bounded by its lines.
type shown struct {
	lines int
	// seen counts lines by peer, and returning is how many peers have two lines
	// or more; both are kept only where the jail asks about peers.
	seen      map[uint32]int
	returning int
}

func (w *shown) add(e entry) { w.count(e.peer, 1) }

func (w *shown) drop(e entry) { w.count(e.peer, -1) }

func (w *shown) count(peer uint32, d int) {
	w.lines += d
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

// newShown counts lines, of which a jail that asks about peers counts the peers.
func (j *jail) newShown() *shown {
	w := &shown{}
	if j.countsPeers() {
		w.seen = map[uint32]int{}
	}
	return w
}

// keepShown begins to keep what a host shows, from the lines it has.
func (j *jail) keepShown(id hostID) {
	if j.shown == nil {
		j.shown = map[hostID]*shown{}
	}
	w := j.newShown()
	for e := range j.hosts.lines(j.hosts.get(id)) {
		w.add(e)
	}
	j.shown[id] = w
}

// sampleID is the place of a host's sample; 0 is none.
type sampleID uint32

// sample is the text of some of the peer ids that a host's lines after the
// first showed.
type sample struct {
	peers []peer
	last  uint32 // the hash of the one seen last
}

// peer is a peer id with its hash.
type peer struct {
	hash uint32
	id   string
}

// keepPeer remembers the text of a peer id while there is room.
func (h *hosts) keepPeer(x *host, hash uint32, id string) {
	if x.sample == 0 {
		x.sample = sampleID(h.samples.take())
	}
	s := h.samples.get(uint32(x.sample))
	if hash == s.last {
		return
	}
	s.last = hash
	if len(s.peers) == MaxEvidencePeers {
		return
	}
	for i := range s.peers {
		if s.peers[i].hash == hash {
			return
		}
	}
	s.peers = append(s.peers, peer{hash, strings.Clone(id)})
}

// sampleOf gives the peer ids kept of a host.
func (h *hosts) sampleOf(x *host) []string {
	if x.sample == 0 {
		return nil
	}
	var ids []string
	for _, p := range h.samples.get(uint32(x.sample)).peers {
		ids = append(ids, p.id)
	}
	return ids
}
