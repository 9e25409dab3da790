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
			for id := j.hosts.newest[level]; id != 0 && left > 0; id = j.hosts.get(id).prev {
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
			cmp.Compare(a.jail.order, b.jail.order))
	})
	var out []HostStatus
	for _, c := range found[:min(max(limit, 0), len(found))] {
		out = append(out, s.status(c.jail, c.jail.hosts.get(c.id).prefix()))
	}
	return out
}

// share is how much of what is a ban a host's window shows from start on. It
// copies no window, unless the jail asks for peers.
func (j *jail) share(id hostID, start instant) float64 {
	if j.countsPeers() {
		w := j.live(id, start)
		return float64(w.sum) / float64(j.allowed(w))
	}
	sum := int64(0)
	for _, l := range slices.Backward(j.hosts.lines(j.hosts.get(id))) {
		if l.at < start {
			break
		}
		sum += int64(l.weight)
	}
	return float64(sum) / float64(j.cfg.MaxRetry)
}
