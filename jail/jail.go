package jail

import (
	"net/netip"
	"time"

	"github.com/p2pban/p2pban/parser"
)

// jail is one jail at work. Every jail judges by itself: a host that one jail
// has banned is still judged by the others.
type jail struct {
	cfg          Config
	rank         int // place in the configuration
	ignore       *ignoreSet
	index        *buckets // of hosts and cold
	hosts        hosts
	tracked      int // hosts
	lines        int // in their windows
	order        order
	cold         cold   // the hosts that are not tracked
	coming       uint64 // events that warm has seen
	shown        map[hostID]*shown
	bans         banHeap
	odd          int    // bans; see mark.go
	counts       Counts // without what Set.Counts adds
	lastAfterBan key
	past         history
	nets         networks
	guard        guard
}

func newJail(cfg Config, rank int, seed [2]uint64) (*jail, error) {
	ignore, err := newIgnoreSet(cfg.IgnoreIP)
	if err != nil {
		return nil, err
	}
	j := &jail{cfg: cfg.withDefaults(), rank: rank, ignore: ignore}
	j.order.init()
	j.empty(seed)
	return j, nil
}

// countsPeers says whether the jail asks how many peers a host shows.
func (j *jail) countsPeers() bool { return j.cfg.MinPeers > 0 || j.cfg.NATPeers > 1 }

// start is where the window that ends at the clock begins; it is closed.
func (s *Set) start(j *jail) instant { return s.clock - instant(j.cfg.FindTime) }

// judge counts one event in one jail, and appends what that brings to out.
func (s *Set) judge(x *sighting, p *place, ev *parser.Event, out []Decision) []Decision {
	j := s.jails[p.jail]
	start := s.start(j)
	switch {
	case j.ignore.nets.Size() > 0 && j.ignore.nets.Contains(x.key.addr()):
		j.counts.Ignored++
		return out
	case len(j.ignore.peers) > 0 && ev.Peer != "" && j.ignore.peers[ev.Peer]:
		j.counts.Trusted++
		return out
	case x.line.at < start:
		j.counts.Late++
		return out
	}
	bucket := j.index.of(p.hash)
	id := j.hosts.along(bucket.id, &p.key)
	if id != 0 || j.odd > 0 {
		if b, ok := s.banOn(x, j, id); ok {
			j.countBanned(b, x.line.at)
			return out
		}
	}
	j.counts.Events++
	line := x.line
	line.rule = p.rule
	if id != 0 || !j.staysCold(bucket, &p.key, line, start) {
		id = j.record(p, id, line, ev.Peer, start)
		if failures, ok := j.guilty(id); ok {
			out = s.sentence(j, id, x.key.addr(), failures, ev, out)
		} else {
			j.release(id)
		}
	}
	j.bound(start)
	return out
}

// underWay is how long after a ban a node may log what began before it: it gives
// up a handshake whose packets do not come any more after a time of its own
// (go-libp2p 15 s, p2p/net/upgrader; rust-libp2p and js-libp2p 10 s).
const underWay = instant(30 * time.Second)

// countBanned counts an event of a banned host; it never makes the ban longer.
func (j *jail) countBanned(b mark, at instant) {
	if at-b.since > underWay {
		j.counts.AfterBan++
		j.lastAfterBan = b.host
	} else {
		j.counts.Absorbed++
	}
}

// hostPrefix is what the host is judged by in this jail: narrower than the
// jail's prefix where that would take in an address that must not be banned. It
// steps back to the /64 first: who has that has more addresses than can be
// judged one by one.
func (s *Set) hostPrefix(j *jail, host netip.Addr) netip.Prefix {
	p := hostPrefix(host, j.cfg.IPv6Prefix)
	if p.Addr().Is6() && p.Bits() < oneCustomer && s.spares(j, p) {
		p = netip.PrefixFrom(host, oneCustomer).Masked()
	}
	if !p.IsSingleIP() && s.spares(j, p) {
		return netip.PrefixFrom(host, 128)
	}
	return p
}

// oneCustomer is the least that one customer has of IPv6, in bits (RFC 6177).
const oneCustomer = 64

// spares tells whether a prefix has an address that the jail must not ban.
func (s *Set) spares(j *jail, p netip.Prefix) bool {
	return j.ignore.nets.OverlapsPrefix(p) || s.protected.nets.OverlapsPrefix(p)
}

// level says how close to a ban that many failures are, in eighths.
func (j *jail) level(failures int64) uint8 {
	if failures >= j.cfg.MaxRetry {
		return levels - 1
	}
	return uint8(failures * levels / j.cfg.MaxRetry)
}

// guilty says whether a host has reached a ban, and its failures.
func (j *jail) guilty(id hostID) (failures int64, ok bool) {
	sum := j.hosts.get(id).sum
	if sum < j.cfg.MaxRetry || !j.countsPeers() {
		return sum, sum >= j.cfg.MaxRetry
	}
	w := j.shown[id]
	return sum, sum >= j.allowed(w) && len(w.seen) >= j.cfg.MinPeers
}

// allowed is how many failures the jail bans at: more where several peers come
// back behind one address.
func (j *jail) allowed(w *shown) int64 {
	return j.cfg.MaxRetry * int64(max(1, min(w.returning, j.cfg.NATPeers)))
}

// sentence bans a host, or holds the ban back.
func (s *Set) sentence(j *jail, id hostID, host netip.Addr, failures int64, ev *parser.Event, out []Decision) []Decision {
	x := j.hosts.get(id)
	b := &ban{jail: j, at: s.clock}
	b.Host, b.Prefix, b.Failures = host, x.prefix(), failures
	s.lines = j.hosts.appendLines(s.lines[:0], x)
	b.Evidence = j.evidence(s.lines, j.hosts.sampleOf(x), ev)
	b.until = s.clock.add(s.banTime(j, b.Prefix))
	if !j.cfg.Guard.Off && !s.allows(j, b) {
		return j.hold(id, b, out)
	}
	j.forget(id)
	return s.enforce(j, b, out)
}

// enforce brings an automatic ban into force, and makes room for it.
func (s *Set) enforce(j *jail, b *ban, out []Decision) []Decision {
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
