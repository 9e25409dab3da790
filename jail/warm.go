package jail

// warm reads what judging the places will touch, in rounds: the reads of one
// round don't wait for each other, nor does a branch wait for one of them, so
// that the processor waits for all of them at once.
func (s *Set) warm() {
	sum := uint32(0) // what is read must be used, or the compiler leaves it out
	for i := range s.places {
		p := &s.places[i]
		j := s.jails[p.jail]
		p.first = *j.index.of(p.hash)
		j.coming = 0
	}
	for i := range s.places {
		p := &s.places[i]
		j := s.jails[p.jail]
		p.more = 0
		if p.first.id != 0 {
			x := j.hosts.get(p.first.id)
			p.first.id, p.more = x.chain, x.more
		}
		if j.cold.has(p.first.line) {
			p.first.line = j.cold.at(p.first.line).prev
		}
		if j.coming++; j.index.count+j.coming > j.index.n {
			if no := j.index.splits(j.coming).line; j.cold.has(no) {
				sum += uint32(j.cold.at(no).prev)
			}
		}
	}
	for i := range s.places {
		p := &s.places[i]
		j := s.jails[p.jail]
		if p.first.id != 0 {
			sum += uint32(j.hosts.get(p.first.id).chain)
		}
		if p.more != 0 {
			b := j.hosts.block(p.more)
			sum += uint32(b.next) + b.lines[blockLines-1].weight
		}
		if j.cold.has(p.first.line) {
			sum += uint32(j.cold.at(p.first.line).prev)
		}
	}
	s.warmth = sum
}
