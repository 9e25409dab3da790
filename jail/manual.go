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
