package jail

import (
	"hash/maphash"
	"net/netip"

	"github.com/p2pban/p2pban/parser"
)

// jail is one jail at work. Every jail judges by itself: a host that one jail
// has banned is still judged by the others.
type jail struct {
	cfg    Config
	order  int // place in the configuration
	ignore *ignoreSet
	hosts  hosts
	events int // lines in all windows
	bans   banHeap
	counts Counts
	past   history
	nets   networks
	guard  guard
}

func newJail(cfg Config, order int, seed maphash.Seed) (*jail, error) {
	ignore, err := newIgnoreSet(cfg.IgnoreIP)
	if err != nil {
		return nil, err
	}
	j := &jail{cfg: cfg.withDefaults(), order: order, ignore: ignore}
	j.hosts.init(seed)
	return j, nil
}

// countsPeers says whether the jail asks how many peers a host shows.
func (j *jail) countsPeers() bool { return j.cfg.MinPeers > 0 || j.cfg.NATPeers > 1 }

// start is where the window that ends at the clock begins; it is closed.
func (s *Set) start(j *jail) instant { return s.clock - instant(j.cfg.FindTime) }

// judge counts one event in one jail.
func (s *Set) judge(x *sighting, p *place, ev *parser.Event) []Decision {
	j := p.jail
	switch {
	case j.ignore.nets.Contains(x.host):
		j.counts.Ignored++
		return nil
	case ev.Peer != "" && j.ignore.peers[ev.Peer]:
		j.counts.Trusted++
		return nil
	case x.line.at < s.start(j):
		j.counts.Late++
		return nil
	}
	if b := x.covering.by(j); b != nil {
		j.countBanned(b, x.line.at)
		return nil
	}
	j.counts.Events++
	line := x.line
	line.rule = p.rule
	id := s.record(p, line, ev.Peer)
	var out []Decision
	if failures, ok := j.guilty(id); ok {
		out = s.sentence(j, id, x.host, failures, ev)
	} else {
		j.release(id)
	}
	s.bound(j)
	return out
}

// countBanned counts an event of a banned host; it never makes the ban longer.
func (j *jail) countBanned(b *ban, at instant) {
	if at > b.at {
		j.counts.AfterBan++
		j.counts.LastAfterBan = b.Prefix
	} else {
		j.counts.Absorbed++
	}
}

// hostPrefix is what the host is judged by in this jail: narrower than the
// jail's prefix where that would take in an address that must not be banned.
func (s *Set) hostPrefix(j *jail, host netip.Addr) netip.Prefix {
	p := hostPrefix(host, j.cfg.IPv6Prefix)
	if !p.IsSingleIP() && (j.ignore.nets.OverlapsPrefix(p) || s.protected.nets.OverlapsPrefix(p)) {
		return netip.PrefixFrom(host, 128)
	}
	return p
}

// record puts a line into its host's window, brings the window up to the clock
// and makes the host the last one seen.
func (s *Set) record(p *place, line entry, peer string) hostID {
	j := p.jail
	start := s.start(j)
	id := j.hosts.along(*j.hosts.bucket(p.hash), p.key)
	if id == 0 {
		id = j.hosts.insert(p.key, p.hash, line)
		j.events++
		j.hosts.touch(id, j.level(int64(line.weight)))
		return id
	}
	h := j.hosts.get(id)
	w := j.hosts.window(h)
	if w == nil && h.first.at < start {
		h.first = line
		j.hosts.touch(id, j.level(int64(line.weight)))
		return id
	}
	if w == nil {
		w = j.hosts.newWindow(h, j.countsPeers())
	}
	w.add(line)
	if peer != "" {
		w.keepPeer(line.peer, peer)
	}
	j.events += 1 - w.trim(start)
	for int64(len(w.entries())) > j.maxLines() {
		// Only in a jail that asks for peers, or while the guard holds: the
		// verdict then rests on the latest lines.
		w.dropFirst()
		j.events--
	}
	j.hosts.touch(id, j.level(w.sum))
	return id
}

// maxLines bounds a window: each line weighs at least one failure, so that
// more lines than this are always enough for a ban.
func (j *jail) maxLines() int64 { return j.cfg.MaxRetry * int64(j.cfg.NATPeers) }

// level says how close to a ban that many failures are, in eighths.
func (j *jail) level(failures int64) uint8 {
	if failures >= j.cfg.MaxRetry {
		return levels - 1
	}
	return uint8(failures * levels / j.cfg.MaxRetry)
}

// guilty says whether a host has reached a ban, and its failures.
func (j *jail) guilty(id hostID) (failures int64, ok bool) {
	h := j.hosts.get(id)
	w := j.hosts.window(h)
	if w == nil {
		peers := 0
		if h.first.peer != 0 {
			peers = 1
		}
		f := int64(h.first.weight)
		return f, f >= j.cfg.MaxRetry && peers >= j.cfg.MinPeers
	}
	return w.sum, w.sum >= j.allowed(w) && len(w.seen) >= j.cfg.MinPeers
}

// allowed is how many failures the jail bans at: more where several peers come
// back behind one address.
func (j *jail) allowed(w *window) int64 {
	return j.cfg.MaxRetry * int64(max(1, min(int(w.returning), j.cfg.NATPeers)))
}

// sentence bans a host, or holds the ban back.
func (s *Set) sentence(j *jail, id hostID, host netip.Addr, failures int64, ev *parser.Event) []Decision {
	h := j.hosts.get(id)
	b := &ban{jail: j, at: s.clock}
	b.Host, b.Prefix, b.Failures = host, h.prefix(), failures
	b.Evidence = j.evidence(j.hosts.lines(h), j.hosts.sample(h), ev)
	b.until = s.clock.add(s.banTime(j, b.Prefix))
	if held, ok := s.hold(j, id, b); ok {
		return held
	}
	j.forget(id)
	return s.enforce(j, b)
}

// enforce brings an automatic ban into force, and makes room for it.
func (s *Set) enforce(j *jail, b *ban) []Decision {
	var out []Decision
	for len(j.bans) >= j.cfg.MaxBans {
		j.counts.Displaced++
		out = append(out, s.lift(j.bans[0], s.clock))
	}
	s.put(b)
	j.counts.Bans++
	s.remember(j, b)
	out = append(out, b.Decision)
	return append(out, s.widen(j, b)...)
}

// forget drops a host and its window.
func (j *jail) forget(id hostID) {
	j.release(id)
	j.events -= len(j.hosts.lines(j.hosts.get(id)))
	j.hosts.remove(id)
}

// sweepEach is how many idle hosts one event may clear away: more than the one
// that it may bring, so that the table shrinks, and few, so that no event pays
// for many.
const sweepEach = 2

// bound clears idle hosts away and keeps the table within its bounds.
func (s *Set) bound(j *jail) {
	s.sweep(j, sweepEach)
	for j.hosts.count > j.cfg.MaxHosts || j.events > j.cfg.MaxEvents {
		level := 0
		for j.hosts.oldest[level] == 0 {
			level++
		}
		j.forget(j.hosts.oldest[level])
		j.counts.Evicted++
	}
}

// sweep clears away up to n hosts whose last line has left the window.
func (s *Set) sweep(j *jail, n int) {
	start := s.start(j)
	for level := range j.hosts.oldest {
		for j.hosts.last[level] < start && j.hosts.oldest[level] != 0 {
			id := j.hosts.oldest[level]
			if last := j.lastLine(id); last >= start {
				j.hosts.last[level] = last
				break
			}
			if n == 0 {
				return
			}
			j.forget(id)
			n--
		}
	}
}

func (j *jail) lastLine(id hostID) instant {
	lines := j.hosts.lines(j.hosts.get(id))
	return lines[len(lines)-1].at
}
