package jail

import (
	"iter"
	"net/netip"
	"time"
)

// InForce gives every ban in force as the decision that set it, in no
// particular order. Its evidence is shared: don't change it.
func (s *Set) InForce() iter.Seq[Decision] {
	return func(yield func(Decision) bool) {
		for _, j := range s.all() {
			for _, b := range j.bans {
				if !yield(b.Decision) {
					return
				}
			}
		}
	}
}

// Banned gives the ban of exactly this prefix that ends last, and how many
// jails ban it.
func (s *Set) Banned(prefix netip.Prefix) (d Decision, jails int) {
	if !prefix.IsValid() {
		return Decision{}, 0
	}
	var last *ban
	for b := range s.prefixes.on(plain(prefix)) {
		if jails++; last == nil || b.until > last.until {
			last = b
		}
	}
	if last == nil {
		return Decision{}, 0
	}
	return last.Decision, jails
}

// On gives a jail's ban of exactly this prefix, by the jail's name.
func (s *Set) On(prefix netip.Prefix, jail string) (Decision, bool) {
	for b := range s.prefixes.on(plain(prefix)) {
		if b.Jail == jail {
			return b.Decision, true
		}
	}
	return Decision{}, false
}

// Prefixes gives every prefix that is banned, each once, with the latest end of
// its bans (zero: for ever), in no particular order: what a firewall should
// hold.
func (s *Set) Prefixes() iter.Seq2[netip.Prefix, time.Time] {
	return func(yield func(netip.Prefix, time.Time) bool) {
		for p := range s.prefixes.table.All() {
			if b, _ := s.Banned(p); !yield(p, b.Until) {
				return
			}
		}
	}
}

// Covering gives the bans that keep any part of prefix out: of the prefix
// itself and of networks around it, then of parts of it; each group from the
// widest to the narrowest prefix.
func (s *Set) Covering(prefix netip.Prefix) []Decision {
	if !prefix.IsValid() {
		return nil
	}
	var out []Decision
	prefix = plain(prefix)
	for b := range s.prefixes.covering(prefix) {
		out = append(out, b.Decision)
	}
	sortDecisions(out)
	n := len(out)
	for b := range s.prefixes.inside(prefix) {
		if b.Prefix != prefix {
			out = append(out, b.Decision)
		}
	}
	sortDecisions(out[n:])
	return out
}
