package jail

import "net/netip"

// Counts is what one jail did since it was made; none of it is restored.
type Counts struct {
	// Hosts are tracked now, Lines remembered for them, InForce the bans now,
	// Holding the bans that the guard holds back now.
	Hosts, Lines, InForce, Holding int
	// Events were counted in a window, by line.
	Events int64
	// Bans and Unbans were decided. Displaced bans ended early because the
	// jail had MaxBans.
	Bans, Unbans, Displaced int64
	// Held counts bans that the guard held back, once for each host and hold.
	Held int64
	// Ignored events came from ignoreip, Trusted from a trusted peer.
	Ignored, Trusted int64
	// Late events were older than the window.
	Late int64
	// AfterBan events are dated more than 30 seconds after the ban of their host
	// and came while it was in force: live, the sign that a ban is not enforced.
	// Absorbed ones are dated before that: what was under way may still be logged.
	AfterBan, Absorbed int64
	// LastAfterBan is the ban that the last AfterBan event met.
	LastAfterBan netip.Prefix
	// Evicted hosts were forgotten because of MaxHosts or MaxEvents, or lost
	// the oldest of their few lines.
	Evicted int64
	// Widened counts bans of whole networks; WidenRefused those not made
	// because the network has an address that must not be banned.
	Widened, WidenRefused int64
}

// SetCounts is what the Set did before any jail was asked.
type SetCounts struct {
	// Unrouted events have a rule that no jail counts.
	Unrouted int64
	// Protected events came from a protected address.
	Protected int64
}

// Counts gives the numbers of one jail, Manual among them; false when there is
// no such jail. It is cheap.
func (s *Set) Counts(name string) (Counts, bool) {
	j := s.jail(name)
	if j == nil {
		return Counts{}, false
	}
	c := j.counts
	if j.lastAfterBan.bits > 0 {
		c.LastAfterBan = j.lastAfterBan.prefix()
	}
	c.Hosts, c.Lines, c.InForce, c.Holding = j.known(), j.remembered(), len(j.bans), j.guard.holding
	return c, true
}

// SetCounts gives the numbers that belong to no jail.
func (s *Set) SetCounts() SetCounts { return s.counts }

// Jails gives the configuration of every jail, in order, with its defaults
// filled in.
func (s *Set) Jails() []Config {
	out := make([]Config, len(s.jails))
	for i, j := range s.jails {
		out[i] = j.cfg
	}
	return out
}
