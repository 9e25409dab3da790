package firewall

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// bansInMemory is what stands in a backend that keeps no ends itself, by prefix; the
// zero time is for ever.
type bansInMemory map[netip.Prefix]time.Time

// apply makes a change and forgets what has ended. After an error the map is
// of no use.
func (m bansInMemory) apply(c Change, now time.Time) error {
	for _, p := range c.Lift {
		p, err := Clean(p)
		if err != nil {
			return err
		}
		delete(m, p)
	}
	for _, b := range c.Set {
		p, err := Clean(b.Prefix)
		if err != nil {
			return err
		}
		m[p] = b.Until
	}
	maps.DeleteFunc(m, func(_ netip.Prefix, until time.Time) bool { return !until.IsZero() && !until.After(now) })
	return nil
}

// list gives the bans that have not ended, in the order of their prefixes.
func (m bansInMemory) list(now time.Time) []Ban {
	bans := make([]Ban, 0, len(m))
	for prefix, until := range m {
		if until.IsZero() || until.After(now) {
			bans = append(bans, Ban{Prefix: prefix, Until: until})
		}
	}
	slices.SortFunc(bans, func(a, b Ban) int { return a.Prefix.Compare(b.Prefix) })
	return bans
}
