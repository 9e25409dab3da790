package jail

import (
	"cmp"
	"iter"
	"net/netip"
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
		jail   *jail
		prefix netip.Prefix
		share  float64
	}
	var found []candidate
	for _, j := range s.jails {
		left := nearestLooked
		for p, lines := range j.closest() {
			if left--; left < 0 {
				break
			}
			w := j.live(lines, s.start(j))
			if w.sum > 0 {
				found = append(found, candidate{j, p, float64(w.sum) / float64(j.allowed(&w.shown))})
			}
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(
			-cmp.Compare(a.share, b.share),
			comparePrefix(a.prefix, b.prefix),
			cmp.Compare(a.jail.rank, b.jail.rank))
	})
	var out []HostStatus
	for _, c := range found[:min(max(limit, 0), len(found))] {
		out = append(out, s.status(c.jail, c.prefix))
	}
	return out
}

// closest gives a jail's hosts with their lines: by level, the highest first,
// those seen last first; cold ones at the end.
func (j *jail) closest() iter.Seq2[netip.Prefix, []entry] {
	return func(yield func(netip.Prefix, []entry) bool) {
		for level := levels - 1; level >= 0; level-- {
			for id := range j.order.queues[level].backward(&j.hosts) {
				x := j.hosts.get(id)
				if !yield(x.prefix(), j.hosts.appendLines(nil, x)) {
					return
				}
			}
		}
		for k, lines := range j.cold.backward() {
			if !yield(k.prefix(), lines) {
				return
			}
		}
	}
}
