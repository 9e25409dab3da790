package jail

// warm locates the places of these events, and reads what judging them will
// touch, in rounds: the reads of one round don't wait for each other, nor does a
// branch wait for one of them, so that the processor waits for all of them at
// once.
func (s *Set) warm(ready []sighting) {
	sum := uint32(0) // what is read must be used, or the compiler leaves it out
	h := &s.hosts
	for i := range s.places {
		p := &s.places[i]
		p.jail.order.looked = 0
		p.id = *h.index.of(p.hash)
	}
	for i := range s.places {
		p := &s.places[i]
		if p.id != 0 {
			p.id = h.get(p.id).chain
		}
		p.leaving = p.jail.order.nextLeaving()
	}
	for i := range s.places {
		p := &s.places[i]
		if p.id != 0 {
			sum += uint32(h.get(p.id).chain)
		}
		if p.leaving != 0 {
			p.leaving = *h.index.of(h.get(p.leaving).key().hash(&h.seed))
		}
	}
	for i := range ready {
		s.locate(&ready[i])
	}
	splits := uint64(0)
	for i := range s.places {
		p := &s.places[i]
		if p.leaving != 0 {
			sum += uint32(h.get(p.leaving).chain)
		}
		switch {
		case p.ban != 0:
			sum += uint32((*s.marks.get(p.ban)).at)
		case p.id == 0:
			sum += uint32(h.nextSplit(splits))
			splits++
		default:
			if more := h.get(p.id).more; more != 0 {
				b := h.block(more)
				sum += uint32(b.next) + b.lines[blockLines-1].weight
			}
		}
	}
	s.warmth = sum
}

// nextSplit reads the bucket that splits when n more hosts have come, and its
// first host.
func (h *hosts) nextSplit(n uint64) hostID {
	id := *h.index.splits(n)
	if id != 0 {
		id = h.get(id).chain
	}
	return id
}
