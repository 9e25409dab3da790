package jail

// warm reads what judging the places will touch, in rounds: the reads of one
// round don't wait for each other, nor does a branch wait for one of them, so
// that the processor waits for all of them at once.
func (s *Set) warm() {
	sum := uint32(0) // what is read must be used, or the compiler leaves it out
	for i := range s.places {
		p := &s.places[i]
		p.jail.cold.looked = 0
		p.id = *p.jail.hosts.index.of(p.hash)
		p.line = *p.jail.cold.index.of(p.hash)
	}
	for i := range s.places {
		p := &s.places[i]
		h, c := &p.jail.hosts, &p.jail.cold
		if p.id != 0 {
			p.id = h.get(p.id).chain
		}
		if c.has(p.line) {
			p.line = c.at(p.line).prev
		}
		sum += uint32(c.nextLeaving())
	}
	for i := range s.places {
		p := &s.places[i]
		if p.id != 0 {
			sum += uint32(p.jail.hosts.get(p.id).chain)
		}
		if c := &p.jail.cold; c.has(p.line) {
			sum += uint32(c.at(p.line).prev)
		}
	}
	for i := range s.places {
		p := &s.places[i]
		h := &p.jail.hosts
		if id := h.lookup(&p.key, p.hash); id != 0 {
			if more := h.get(id).more; more != 0 {
				b := h.block(more)
				sum += uint32(b.next) + b.lines[blockLines-1].weight
			}
		}
	}
	s.warmth = sum
}

// nextLeaving reads where the chain of one more of the oldest lines begins.
func (c *cold) nextLeaving() lineNo {
	no := c.tail + c.looked
	if no-c.tail >= c.head-c.tail {
		return 0
	}
	c.looked++
	k := c.at(no).key()
	return *c.index.of(k.hash(&c.seed))
}
