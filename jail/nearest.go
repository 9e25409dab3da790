package jail

import (
	"cmp"
	"slices"
)

// nearestLooked bounds the hosts of each jail that Nearest looks at.
const nearestLooked = 1000

// Nearest gives at most limit hosts of all jails that have failures in a window
// now, the one that has most of what it is banned at first. Of a jail with many
// hosts it looks at 1000: those that their last event left closest to a ban, by
// eighths of maxretry, and of these the ones seen last.
func (s *Set) Nearest(limit int) []HostStatus {
	type candidate struct {
		jail  *jail
		id    hostID
		share float64
	}
	var found []candidate
	for _, j := range s.jails {
		left := nearestLooked
		for level := levels - 1; level >= 0; level-- {
			for id := range j.order.queues[level].backward(j.hosts) {
				if left == 0 {
					break
				}
				left--
				if share := j.share(id, s.start(j)); share > 0 {
					found = append(found, candidate{j, id, share})
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(
			-cmp.Compare(a.share, b.share),
			comparePrefix(a.jail.hosts.get(a.id).prefix(), b.jail.hosts.get(b.id).prefix()),
			cmp.Compare(a.jail.rank, b.jail.rank))
	})
	var out []HostStatus
	for _, c := range found[:min(max(limit, 0), len(found))] {
		out = append(out, s.status(c.jail, c.jail.hosts.get(c.id).prefix()))
	}
	return out
}

// share is how much of what is a ban a host's window shows from start on.
func (j *jail) share(id hostID, start instant) float64 {
	w := j.live(id, start)
	return float64(w.sum) / float64(j.allowed(&w.shown))
}
