package jail

import "slices"

// sweepEach is how many idle hosts, and how many cold lines, one event may clear
// away: more than the one that it may bring, so that the tables shrink, and few,
// so that no event pays for many.
const sweepEach = 2

// bound clears idle hosts away and keeps the table within its bounds.
func (j *jail) bound(start instant) {
	if j.cold.leaves(start) || j.order.least < start {
		j.sweep(start, sweepEach)
	}
	for j.known() > j.cfg.MaxHosts || j.remembered() > j.cfg.MaxEvents {
		j.evict()
	}
	for j.cold.places() > j.cfg.MaxEvents { // some of them of lines that are gone
		j.evictCold()
	}
}

// known is how many hosts the jail has a window of, remembered how many lines
// there are in all windows.
func (j *jail) known() int      { return j.tracked + j.cold.hosts }
func (j *jail) remembered() int { return j.lines + j.cold.lines }

// evict forgets the host that was quiet for longest of those furthest from a
// ban, or the oldest line of one that is cold.
func (j *jail) evict() {
	if j.cold.places() > 0 {
		id := j.order.queues[0].oldest(&j.hosts)
		if id == 0 || j.hosts.last(j.hosts.get(id)) >= j.cold.at(j.cold.tail).entry.at {
			j.evictCold()
			return
		}
	}
	j.forget(j.order.first(&j.hosts))
	j.counts.Evicted++
}

// evictCold throws away the oldest of the lines of cold hosts.
func (j *jail) evictCold() {
	if !j.cold.at(j.cold.tail).gone {
		j.counts.Evicted++
	}
	j.cold.pop()
}

// sweep clears away up to n hosts whose last line has left the window, and up to
// n cold lines that have.
func (j *jail) sweep(start instant, n int) {
	o := &j.order
	for i := 0; i < n && j.cold.leaves(start); i++ {
		j.cold.pop()
	}
	if o.least >= start {
		return
	}
	for level := range o.last {
		for o.last[level] < start {
			id := o.queues[level].oldest(&j.hosts)
			if last := j.hosts.last(j.hosts.get(id)); last >= start {
				o.last[level] = last
				break
			}
			if n == 0 {
				return
			}
			j.forget(id)
			n--
		}
	}
	o.least = slices.Min(o.last[:])
}
