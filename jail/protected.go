package jail

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gaissmai/bart"
)

// namedList is a list of protected prefixes that the daemon found: "own
// addresses", "gateways".
type namedList struct {
	name     string
	prefixes []netip.Prefix
}

// protected are all named lists, with one table over them.
type protected struct {
	lists []namedList // sorted by name
	nets  bart.Lite
}

// set replaces one list.
func (p *protected) set(name string, prefixes []netip.Prefix) {
	p.lists = slices.DeleteFunc(p.lists, func(l namedList) bool { return l.name == name })
	if len(prefixes) > 0 {
		l := namedList{name: name}
		for _, x := range prefixes {
			l.prefixes = append(l.prefixes, plain(x))
		}
		p.lists = append(p.lists, l)
		slices.SortFunc(p.lists, func(a, b namedList) int { return strings.Compare(a.name, b.name) })
	}
	p.nets = bart.Lite{}
	for _, l := range p.lists {
		for _, x := range l.prefixes {
			p.nets.Insert(x)
		}
	}
}

// find says which list has a part of prefix, and the entry.
func (p *protected) find(prefix netip.Prefix) (list string, entry netip.Prefix, ok bool) {
	if !p.nets.OverlapsPrefix(prefix) {
		return "", entry, false
	}
	for _, l := range p.lists {
		for _, x := range l.prefixes {
			if x.Overlaps(prefix) {
				return l.name, x, true
			}
		}
	}
	return "", entry, false
}

// SetProtected replaces one named list of prefixes that must not be banned.
// Bans that take in a part of them are lifted; bans by hand stay. The
// Unbans that now brings come first.
func (s *Set) SetProtected(now time.Time, name string, prefixes []netip.Prefix) []Decision {
	out := s.expire(toInstant(now))
	s.protected.set(name, prefixes)
	for _, p := range prefixes {
		p = plain(p)
		out = append(out, s.liftOverlapping(p, func(b *ban) bool { return !b.byHand() })...)
	}
	return out
}

// liftOverlapping lifts the matching bans that have an address in common with p.
func (s *Set) liftOverlapping(p netip.Prefix, match func(*ban) bool) []Decision {
	out := s.liftWhere(s.prefixes.covering(p), match)
	return append(out, s.liftWhere(s.prefixes.inside(p), match)...)
}
