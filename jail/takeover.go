package jail

import (
	"iter"
	"net/netip"
	"time"
)

// TakenOver is the reason that bans have which TakeOver made.
const TakenOver = "taken over from the firewall; by which jail, and why, is lost"

// TakeOver brings into force what a firewall keeps out and of which nothing
// else is left: prefixes with the ends of their bans (zero: for ever), as
// Prefixes gives them. They stand in the jail Manual, with the reason TakenOver,
// but are no bans by hand: what is protected or ignored, now or later, is not
// kept out by them, and they are not bounded, for they were when they were
// made. Left out is what has ended and what is banned already. Refused is what
// Ban refuses without Force, as it came. The Unbans that now brings come first.
func (s *Set) TakeOver(now time.Time, bans iter.Seq2[netip.Prefix, time.Time]) (decisions []Decision, refused []netip.Prefix) {
	decisions = s.expire(toInstant(now))
	for p, until := range bans {
		b := &ban{jail: s.manual, at: s.clock, until: never}
		if !until.IsZero() {
			b.until = toInstant(until)
		}
		if b.until <= s.clock {
			continue
		}
		if _, jails := s.Banned(p); jails > 0 { // it may be forced
			continue
		}
		if !p.IsValid() || plain(p).Bits() == 0 || s.refused(plain(p)) != nil {
			refused = append(refused, p)
			continue
		}
		b.Prefix = plain(p)
		if b.Prefix.IsSingleIP() {
			b.Host = b.Prefix.Addr()
		}
		b.Evidence.Reason = TakenOver
		s.put(b)
		s.manual.counts.Bans++
		decisions = append(decisions, b.Decision)
	}
	return decisions, refused
}

// byHand tells whether an operator set the ban, who may overrule what is
// protected.
func (b *ban) byHand() bool { return b.jail.cfg.Name == Manual && b.Evidence.Reason != TakenOver }

// bannedByHand counts the bans that operators set.
func (s *Set) bannedByHand() (n int) {
	for _, b := range s.manual.bans {
		if b.byHand() {
			n++
		}
	}
	return n
}

// anySpares tells whether a prefix has an address that some jail must not ban.
func (s *Set) anySpares(p netip.Prefix) bool {
	for _, j := range s.all() {
		if s.spares(j, p) {
			return true
		}
	}
	return false
}
