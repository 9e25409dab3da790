package jail

// warm reads what judging these events will touch, in rounds: the reads of one
// round don't wait for each other, nor does a branch wait for one of them, so
// that the processor waits for all of them at once. It changes nothing.
func (s *Set) warm(ready []sighting) {
	sum := hostID(0) // what is read must be used, or the compiler leaves it out
	for i := range s.places {
		p := &s.places[i]
		p.id = *p.jail.hosts.bucket(p.hash)
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
		if p := &s.places[i]; p.id != 0 {
			p.id = p.jail.hosts.along(p.id, p.key)
			sum += p.jail.hosts.neighbours(p.id)
		}
	}
	for i := range s.places {
		if p := &s.places[i]; p.id != 0 {
			sum += p.jail.hosts.ends(p.id)
		}
	}
	s.warmth = sum
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
