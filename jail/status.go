package jail

import (
	"net/netip"
)

// HostStatus is what one jail knows of one host.
type HostStatus struct {
	Jail string
	// Prefix is what the host is judged by in this jail.
	Prefix netip.Prefix
	// Failures are inside the window now, Allowed is the number at which the
	// host is banned: maxretry, times its returning peers where natpeers
	// allows for them.
	Failures, Allowed int64
	// EarlierBans are remembered, and make the next ban longer.
	EarlierBans int
	// Held says that the guard holds the host's ban back.
	Held bool
	// Evidence is what the window shows, without a deciding line.
	Evidence Evidence
	// Ban is the ban in force on the host or on a network around it, nil if
	// this jail has none.
	Ban *Decision
}

// Host gives what each jail that knows an address knows of it, Manual last.
func (s *Set) Host(addr netip.Addr) []HostStatus {
	if !addr.IsValid() {
		return nil
	}
	addr = addr.Unmap().WithZone("")
	var out []HostStatus
	for _, j := range s.all() {
		st := s.status(j, s.hostPrefix(j, addr))
		for b := range s.prefixes.covering(netip.PrefixFrom(addr, addr.BitLen())) {
			if b.jail == j {
				d := b.Decision
				st.Ban = &d
			}
		}
		if st.Failures > 0 || st.EarlierBans > 0 || st.Ban != nil {
			out = append(out, st)
		}
	}
	return out
}

// status is what one jail knows of a host, but for its ban.
func (s *Set) status(j *jail, p netip.Prefix) HostStatus {
	st := HostStatus{Jail: j.cfg.Name, Prefix: p, Allowed: j.cfg.MaxRetry, EarlierBans: j.past.earlier(p, s.clock)}
	j.describe(&st, s.start(j))
	return st
}

// describe fills in what the host's window shows from start on.
func (j *jail) describe(st *HostStatus, start instant) {
	lines, x := j.window(st.Prefix)
	w := j.live(lines, start)
	st.Failures, st.Allowed = w.sum, j.allowed(&w.shown)
	if w.sum > 0 {
		st.Held = x.held()
		st.Evidence = j.evidence(w.lines, j.hosts.sampleOf(x), nil)
	}
}

// window gives the lines of a host, and what else is known of it if it is
// tracked.
func (j *jail) window(p netip.Prefix) ([]entry, *host) {
	if id := j.hosts.find(p); id != 0 {
		x := j.hosts.get(id)
		return j.hosts.appendLines(nil, x), x
	}
	k := keyOf(p)
	return j.cold.of(&k, k.hash(&j.hosts.seed)), &host{}
}

// liveWindow is a host's window as it is at the clock: the host's own is
// brought up to the clock only by its next event.
type liveWindow struct {
	lines []entry
	sum   int64
	shown shown
}

// live gives the part of a host's lines from start on.
func (j *jail) live(lines []entry, start instant) liveWindow {
	w := liveWindow{shown: *j.newShown()}
	for _, e := range lines {
		if e.at >= start {
			w.lines = append(w.lines, e)
			w.sum += int64(e.weight)
			w.shown.add(e)
		}
	}
	return w
}
