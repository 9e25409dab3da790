package jail

// warm reads what judging these events will touch, in rounds: the reads of one
// round don't wait for each other, nor does a branch wait for one of them, so
// that the processor waits for all of them at once. It changes nothing.
func (s *Set) warm(ready []sighting) {
	sum := hostID(0) // what is read must be used, or the compiler leaves it out
	for i := range s.places {
		p := &s.places[i]
		p.id = *p.jail.hosts.bucket(p.hash)
		p.jail.hosts.ahead = lookahead{leaving: p.jail.hosts.oldest[0]}
	}
	for i := range ready {
		if c := ready[i].covering; c != nil {
			sum += hostID(c.bans.at)
		}
	}
	for i := range s.places {
		if p := &s.places[i]; p.id != 0 {
			sum += p.jail.hosts.get(p.id).chain
		}
	}
	for i := range s.places {
		if p := &s.places[i]; p.id != 0 {
			if id := p.jail.hosts.get(p.id).chain; id != 0 {
				sum += p.jail.hosts.get(id).chain
			}
		}
	}
	for i := range s.places {
		p := &s.places[i]
		p.id = p.jail.hosts.along(p.id, p.key)
		sum += p.jail.hosts.neighbours(p.id)
		if p.id == 0 {
			p.split = p.jail.hosts.nextSplit()
		}
		p.leaves = p.jail.hosts.nextLeaving(ready[len(ready)-1].line.at - instant(p.jail.cfg.FindTime))
	}
	for i := range s.places {
		p := &s.places[i]
		if p.id != 0 {
			sum += p.jail.hosts.ends(p.id)
		}
		if p.split != 0 {
			sum += p.jail.hosts.get(p.split).chain
		}
		if p.leaves != 0 {
			sum += p.jail.hosts.get(p.leaves).chain
		}
	}
	s.warmth = sum
}

// lookahead is how far warm has looked into what new hosts and the clock will
// do to a table.
type lookahead struct {
	splits  uint64 // buckets
	leaving hostID // the next that may be idle
}

// nextSplit reads the bucket that one more new host will split.
func (h *hosts) nextSplit() hostID {
	n, pow := h.nbucket+h.ahead.splits, h.pow
	if n >= 2*pow {
		pow *= 2
	}
	h.ahead.splits++
	return h.buckets[(n-pow)>>chunkBits][(n-pow)&(chunkSize-1)]
}

// nextLeaving reads the bucket of one more of the hosts that are idle once
// windows begin at start.
func (h *hosts) nextLeaving(start instant) hostID {
	if h.ahead.leaving == 0 {
		return 0
	}
	x := h.get(h.ahead.leaving)
	if x.first.at >= start {
		h.ahead.leaving = 0
		return 0
	}
	h.ahead.leaving = x.next
	return *h.bucket(x.key().hash(h.seed))
}

// neighbours reads what moving a host in its list touches, and its window.
func (h *hosts) neighbours(id hostID) hostID {
	if id == 0 {
		return 0
	}
	x := h.get(id)
	sum := h.get(x.prev).next + h.get(x.next).prev
	if w := h.window(x); w != nil {
		sum += hostID(w.head)
	}
	return sum
}

// ends reads the ends of a host's window.
func (h *hosts) ends(id hostID) hostID {
	w := h.window(h.get(id))
	if w == nil {
		return 0
	}
	sum := hostID(w.buf[w.head].weight) + hostID(w.buf[len(w.buf)-1].weight)
	if len(w.sample) > 0 {
		sum += hostID(w.sample[0].hash)
	}
	return sum
}
