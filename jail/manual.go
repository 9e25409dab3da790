package jail

import (
	"fmt"
	"iter"
	"net/netip"
	"time"
)

// ManualBan is a ban by hand.
type ManualBan struct {
	Prefix netip.Prefix
	// For is how long, above zero, or Forever.
	For time.Duration
	// Reason is shown with the ban; more than MaxReason bytes are cut off.
	Reason string
	// Force bans even what is protected, ignored or special.
	Force bool
}

// RefusedError says that a prefix must not be banned unless forced.
type RefusedError struct {
	Prefix netip.Prefix
	// List is what forbids it: the name of a protected list ("own
	// addresses"), "ignoreip of jail X", or the name of a special range
	// ("loopback").
	List string
	// Entry is the entry of that list that the prefix overlaps.
	Entry netip.Prefix
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v is not banned: it overlaps %v (%s)", e.Prefix, e.Entry, e.List)
}

// PrefixError says that a prefix can't be banned at all.
type PrefixError struct {
	Prefix netip.Prefix
	Msg    string
}

func (e *PrefixError) Error() string { return fmt.Sprintf("%v: %s", e.Prefix, e.Msg) }

// special are the ranges that an operator hardly means when he bans one of their
// addresses: a ban would cut this machine off from itself, from its own networks or
// from what is sent to all. They are the largest of what the parser never takes for a
// stranger's address (specialRanges there). The others, such as the addresses that a
// proxy makes up (198.18.0.0/15) or a translator, accuse nobody in a log either, but
// somebody who bans one by hand has seen it and means it.
var special = []namedList{
	{"unspecified", mustPrefixes("0.0.0.0/8", "::/128")},
	{"loopback", mustPrefixes("127.0.0.0/8", "::1/128")},
	{"private", mustPrefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")},
	{"CGNAT", mustPrefixes("100.64.0.0/10")},
	{"link-local", mustPrefixes("169.254.0.0/16", "fe80::/10")},
	{"multicast", mustPrefixes("224.0.0.0/4", "ff00::/8")},
	{"reserved", mustPrefixes("240.0.0.0/4")},
}

func mustPrefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Ban bans a prefix by hand, in the jail Manual, whatever the guard says. A
// prefix that is banned by hand already gets the new end and reason. The
// Unbans that now brings come first. The error is a *RefusedError, which Force
// overrides, or a *PrefixError.
func (s *Set) Ban(now time.Time, m ManualBan) ([]Decision, error) {
	out := s.expire(toInstant(now))
	if err := s.bannable(&m); err != nil {
		return out, err
	}
	for b := range s.prefixes.on(m.Prefix) {
		if b.jail == s.manual {
			s.lift(b, s.clock)
			s.manual.counts.Unbans-- // moved, not lifted
			break
		}
	}
	if most := s.manual.cfg.MaxBans; len(s.manual.bans) >= most && s.bannedByHand() >= most {
		return out, &PrefixError{m.Prefix, fmt.Sprintf("%d prefixes are banned by hand, which is the limit; lift some, or ban wider networks", most)}
	}
	b := &ban{jail: s.manual, at: s.clock, until: s.clock.add(m.For)}
	b.Prefix = m.Prefix
	if m.Prefix.IsSingleIP() {
		b.Host = m.Prefix.Addr()
	}
	b.Evidence.Reason = clip(m.Reason, MaxReason)
	s.put(b)
	s.manual.counts.Bans++
	return append(out, b.Decision), nil
}

// bannable masks m.Prefix and says why it must not be banned.
func (s *Set) bannable(m *ManualBan) error {
	if !m.Prefix.IsValid() {
		return &PrefixError{m.Prefix, "expected an address or a network"}
	}
	m.Prefix = plain(m.Prefix)
	if m.Prefix.Bits() == 0 {
		return &PrefixError{m.Prefix, "is the whole internet; expected a network"}
	}
	if m.For <= 0 && m.For != Forever {
		return &PrefixError{m.Prefix, fmt.Sprintf("can't be banned for %v; expected a duration above zero, or for ever", m.For)}
	}
	if m.Force {
		return nil
	}
	return s.refused(m.Prefix)
}

// refused gives the *RefusedError for a prefix that must not be banned by hand.
func (s *Set) refused(p netip.Prefix) error {
	if list, entry, ok := s.protected.find(p); ok {
		return &RefusedError{p, list, entry}
	}
	for _, j := range s.jails {
		for e := range j.ignore.nets.All() {
			if e.Overlaps(p) {
				return &RefusedError{p, "ignoreip of jail " + j.cfg.Name, e}
			}
		}
	}
	for _, l := range special {
		for _, e := range l.prefixes {
			if e.Overlaps(p) {
				return &RefusedError{p, l.name, e}
			}
		}
	}
	return nil
}

// Unban lifts every jail's ban of exactly this prefix, and forgets the earlier
// bans of its host. An IPv6 address that is not banned by itself stands for
// the host it belongs to: the ban that a jail set on its /64 is lifted. A ban of a
// wider network stays; Covering finds it. The Unbans that now brings come first.
func (s *Set) Unban(now time.Time, prefix netip.Prefix) []Decision {
	out := s.expire(toInstant(now))
	if !prefix.IsValid() {
		return out
	}
	prefix = plain(prefix)
	lifted := s.liftWhere(s.prefixes.on(prefix), func(*ban) bool { return true })
	if len(lifted) == 0 && prefix.IsSingleIP() {
		lifted = s.liftWhere(s.prefixes.covering(prefix), func(b *ban) bool {
			if b.jail == s.manual { // a network that was taken over may be an operator's
				return !b.byHand() && b.Prefix == hostPrefix(prefix.Addr(), DefaultIPv6Prefix)
			}
			return b.Evidence.Folded == 0 // else it is a widened one
		})
	}
	return append(out, lifted...)
}

// liftWhere lifts the bans that match and forgets their hosts' earlier bans.
func (s *Set) liftWhere(bans iter.Seq[*ban], match func(*ban) bool) []Decision {
	var found []*ban
	for b := range bans {
		if match(b) {
			found = append(found, b)
		}
	}
	sortBans(found)
	var out []Decision
	for _, b := range found {
		b.jail.forgive(b.Prefix)
		out = append(out, s.lift(b, s.clock))
	}
	return out
}

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
