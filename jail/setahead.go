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
	s.nextEnd = s.nextEnd.ahead(by)
	var bans []*ban
	for _, j := range s.all() {
		j.remark(func() {
			for _, b := range j.bans {
				b.at, b.until = b.at.ahead(by), b.until.ahead(by)
				b.At, b.Until = b.at.time(), b.until.time()
			}
		})
		for _, p := range j.past.heap {
			p.forget = p.forget.ahead(by)
		}
		bans = append(bans, j.bans...)
	}
	sortBans(bans)
	out := make([]Decision, len(bans))
	for i, b := range bans {
		out[i] = b.Decision
	}
	return out
}

// ahead leaves never where it is.
func (i instant) ahead(by time.Duration) instant {
	if i == never {
		return i
	}
	return i.add(by)
}
