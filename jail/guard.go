package jail

import "time"

// guard is the eclipse guard of one jail at work.
type guard struct {
	// banned are the hosts banned lately by this jail.
	banned distinct
	// minute is when the current minute began, inMinute the bans since.
	minute   instant
	inMinute int
	// holding is how many tracked hosts are held back now.
	holding int
}

// hold is for a ban that the guard stops: the host stays tracked with its window,
// and is banned at a later event if the guard lets it; it is told once.
func (j *jail) hold(id hostID, b *ban, out []Decision) []Decision {
	if j.hosts.get(id).held() {
		return out
	}
	j.keepHeld(id)
	j.counts.Held++
	d := b.Decision
	d.Action, d.Jail = Held, j.cfg.Name
	d.At, d.Until = b.at.time(), b.until.time()
	return append(out, d)
}

// release ends the hold on a host that is not to be banned any more.
func (j *jail) release(id hostID) {
	x := j.hosts.get(id)
	if !x.held() {
		return
	}
	x.setHeld(false)
	j.guard.holding--
	if !j.countsPeers() {
		delete(j.shown, id)
	}
}

// keepHeld marks a host as held back.
func (j *jail) keepHeld(id hostID) {
	j.hosts.get(id).setHeld(true)
	j.guard.holding++
	if !j.countsPeers() {
		j.keepShown(id)
	}
}

// allows says whether a ban stays within the guard's rate and share, and
// counts it if so.
func (s *Set) allows(j *jail, b *ban) bool {
	g, c := &j.guard, &j.cfg.Guard
	if s.clock-g.minute >= instant(time.Minute) {
		g.minute, g.inMinute = s.clock, 0
	}
	if g.inMinute >= c.Rate {
		return false
	}
	host := addrKey(b.Host)
	bit := guardBit(&host)
	n := g.banned.countWith(bit, s.clock)
	if c.Share < 1 && n > float64(c.Least) && n > c.Share*s.seen.count(s.clock) {
		return false
	}
	g.inMinute++
	g.banned.add(bit, s.clock)
	return true
}

// Holding gives the hosts that a jail would have banned by now and that its
// guard holds back, as Held decisions without the deciding line, at most limit
// of them, the one that was quiet longest first.
func (s *Set) Holding(name string, limit int) []Decision {
	j := s.jail(name)
	if j == nil {
		return nil
	}
	var out []Decision
	// Held hosts have reached maxretry: they are all on the last level.
	for id := range j.order.queues[levels-1].all(&j.hosts) {
		if len(out) >= limit {
			break
		}
		x := j.hosts.get(id)
		if w := j.live(j.hosts.appendLines(nil, x), s.start(j)); x.held() && w.sum >= j.cfg.MaxRetry {
			p := x.prefix()
			out = append(out, Decision{
				Action: Held, Jail: name, Host: p.Addr(), Prefix: p, At: s.clock.time(),
				Failures: w.sum, Evidence: j.evidence(w.lines, j.hosts.sampleOf(x), nil),
			})
		}
	}
	return out
}
