package jail

import "time"

// SetAhead moves the bans in force by a time above zero: the machine's clock was
// behind and has been set forward by that. Each keeps the time that it has left, and
// repeat offenders their memory; else all that were made before would be over at
// once. It gives the bans with their new times, as decisions that replace the ones
// that set them. The clock and the windows stay: what is judged next brings its own
// time, and there may be lines of before to read.
func (s *Set) SetAhead(by time.Duration) []Decision {
	if by <= 0 {
		return nil
	}
	move := func(at instant) instant { return at.ahead(by) }
	s.nextEnd = move(s.nextEnd)
	for _, j := range s.all() {
		j.moveBans(move)
	}
	return s.replacing()
}

// ahead leaves never where it is.
func (i instant) ahead(by time.Duration) instant {
	if i == never {
		return i
	}
	return i.add(by)
}
