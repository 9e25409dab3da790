package jail

import "time"

// SetBack moves the clock, which otherwise only grows, back to now, and all
// times that are kept by as much: the machine's clock was ahead and has been
// corrected. Windows keep their lines, bans the time they have left and
// repeat offenders their memory. Without it every event would be older than
// its window until the real time has caught up. It gives the bans in force
// with their new times, as decisions that replace the ones that set them, and
// does nothing when the clock is not later than now.
func (s *Set) SetBack(now time.Time) []Decision {
	by := s.clock - toInstant(now)
	if by <= 0 {
		return nil
	}
	s.clock -= by
	s.nextEnd = s.nextEnd.back(by)
	s.seen.back(by)
	for _, j := range s.all() {
		j.setBack(by)
	}
	return s.replacing()
}

// replacing gives the bans in force, whose times have changed, as decisions that
// replace the ones that set them.
func (s *Set) replacing() []Decision {
	var bans []*ban
	for _, j := range s.all() {
		bans = append(bans, j.bans...)
	}
	sortBans(bans)
	out := make([]Decision, len(bans))
	for i, b := range bans {
		out[i] = b.Decision
	}
	return out
}

// moveBans changes the times of a jail's bans by the same rule, and with them how
// long repeat offenders are remembered.
func (j *jail) moveBans(move func(instant) instant) {
	j.remark(func() {
		for _, b := range j.bans {
			b.at, b.until = move(b.at), move(b.until)
			b.At, b.Until = b.at.time(), b.until.time()
		}
	})
	for _, p := range j.past.heap {
		p.forget = move(p.forget)
	}
}

// setBack keeps every order by time, those of the heaps among them.
func (j *jail) setBack(by instant) {
	move := func(at instant) instant { return at.back(by) }
	for level := range j.order.last {
		j.order.last[level] = move(j.order.last[level])
	}
	j.order.least = 0
	j.cold.moveTimes(move)
	for id := range j.order.all(&j.hosts) {
		j.hosts.moveTimes(j.hosts.get(id), move)
	}
	j.moveBans(move)
	j.guard.banned.back(by)
	j.guard.minute = j.guard.minute.back(by)
}

// back leaves never, and the instant 0 that stands for none, where they are.
func (i instant) back(by instant) instant {
	if i == never || i == 0 {
		return i
	}
	return max(i-by, 1)
}
