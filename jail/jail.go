package jail

import (
	"net/netip"
	"slices"

	"github.com/p2pban/p2pban/parser"
)

// jail is one jail at work. Every jail judges by itself: a host that one jail
// has banned is still judged by the others.
type jail struct {
	coming       uint64 // events that warm has seen coming
	cfg          Config
	rank         int // place in the configuration
	ignore       *ignoreSet
	index        *buckets // of hosts and cold
	hosts        hosts
	tracked      int // hosts
	lines        int // in their windows
	order        order
	cold         cold // the hosts that are not tracked
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
	s.bound(j, start)
	return out
}

// countBanned counts an event of a banned host; it never makes the ban longer.
func (j *jail) countBanned(b mark, at instant) {
	if at > b.since {
		j.counts.AfterBan++
		j.lastAfterBan = b.host
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
// and makes the host the last one seen. id is the host, 0 if it is not tracked
// yet.
func (j *jail) record(p *place, id hostID, line entry, peer string, start instant) hostID {
	if id == 0 {
		id = j.warm(&p.key, p.hash)
	}
	if id == 0 {
		id = j.track(&p.key, p.hash, line)
		j.order.touch(&j.hosts, id, j.level(int64(line.weight)))
		return id
	}
	x := j.hosts.get(id)
	j.add(id, x, line)
	if peer != "" {
		j.hosts.keepPeer(x, line.peer, peer)
	}
	for x.at < start {
		j.dropFirst(id, x)
	}
	if x.sum >= j.cfg.MaxRetry {
		j.shorten(id, x)
	}
	j.order.touch(&j.hosts, id, j.level(x.sum))
	return id
}

// staysCold counts a line of a host that is not tracked, unless the host is to
// be tracked now. A jail that asks about peers tracks all its hosts: it counts
// their peers from the first line on.
func (j *jail) staysCold(b *bucket, k *key, line entry, start instant) bool {
	if j.countsPeers() {
		return false
	}
	w := j.cold.window(b, k, start)
	if w.lines == coldLines || (w.failures+int64(line.weight))*levels >= j.cfg.MaxRetry {
		return false
	}
	j.cold.push(b, k, line, w.newest)
	j.grow()
	return true
}

// warm begins to track a host that is cold; it gives 0 when that has no lines.
func (j *jail) warm(k *key, hash uint64) hostID {
	lines := j.cold.take(k, hash)
	if len(lines) == 0 {
		return 0
	}
	id := j.track(k, hash, lines[0])
	for _, l := range lines[1:] {
		j.add(id, j.hosts.get(id), l)
	}
	return id
}

// track begins a host's window.
func (j *jail) track(k *key, hash uint64, first entry) hostID {
	id := j.hosts.insert(k, hash, first)
	j.grow()
	j.tracked++
	j.lines++
	if j.countsPeers() {
		j.keepShown(id)
	}
	return id
}

// add puts one more line into a host's window.
func (j *jail) add(id hostID, x *host, line entry) {
	j.hosts.add(x, line)
	j.lines++
	if len(j.shown) > 0 {
		if w := j.shown[id]; w != nil {
			w.add(line)
		}
	}
}

// shorten lets the oldest lines of a window leave that is longer than what is
// enough for a ban: in a jail that asks for peers, while the guard holds, or
// after maxretry was lowered. The verdict then rests on the latest lines.
func (j *jail) shorten(id hostID, x *host) {
	lines := 0
	if w := j.shown[id]; w != nil {
		lines = w.lines
	} else {
		lines = j.hosts.lineCount(x) // once: what follows is the ban, or the hold
	}
	for ; int64(lines) > j.maxLines(); lines-- {
		j.dropFirst(id, x)
	}
}

// dropFirst lets the oldest line of a window of more than one leave.
func (j *jail) dropFirst(id hostID, x *host) {
	if len(j.shown) > 0 {
		if w := j.shown[id]; w != nil {
			w.drop(x.first())
		}
	}
	j.hosts.dropFirst(x)
	j.lines--
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

// forget drops a host and its window.
func (j *jail) forget(id hostID) {
	j.release(id)
	delete(j.shown, id)
	j.order.leave(j.hosts.get(id))
	j.lines -= j.hosts.remove(id)
	j.tracked--
}

// forgetHost drops the window of a host, if it has one.
func (j *jail) forgetHost(p netip.Prefix) {
	k := keyOf(p)
	j.cold.take(&k, k.hash(&j.hosts.seed))
	if id := j.hosts.find(p); id != 0 {
		j.forget(id)
	}
}

// forgetAll drops every host.
func (j *jail) forgetAll() {
	for id := j.order.first(&j.hosts); id != 0; id = j.order.first(&j.hosts) {
		j.forget(id)
	}
	for j.cold.places() > 0 {
		j.cold.pop()
	}
}

// empty makes empty tables for a jail that knows no host, and gives the memory
// of the ones it had back.
func (j *jail) empty(seed [2]uint64) {
	j.index = newBuckets()
	j.hosts = newHosts(seed, j.index)
	j.cold = newCold(seed, j.index)
}

// trim gives the memory of the last flood back when nothing is left of it.
func (j *jail) trim() {
	if j.index.count == 0 && j.index.n > bucketChunk {
		j.empty(j.hosts.seed)
	}
}

// grow adds a bucket if one is wanted.
func (j *jail) grow() {
	if j.index.full() {
		from, to := j.index.grow()
		j.hosts.share(from)
		j.cold.share(from, to)
	}
}

// sweepEach is how many idle hosts one event may clear away: more than the one
// that it may bring, so that the table shrinks, and few, so that no event pays
// for many.
const sweepEach = 2

// bound clears idle hosts away and keeps the table within its bounds.
func (s *Set) bound(j *jail, start instant) {
	if j.cold.leaves(start) || j.order.least < start {
		j.sweep(start, sweepEach)
	}
	for j.known() > j.cfg.MaxHosts || j.remembered() > j.cfg.MaxEvents {
		j.evict()
	}
	for j.cold.places() > j.cfg.MaxEvents { // most of them gone
		j.evictCold()
	}
}

// known is how many hosts the jail has a window of, remembered how many lines
// there are in all windows.
func (j *jail) known() int      { return j.tracked + j.cold.hosts }
func (j *jail) remembered() int { return j.lines + j.cold.lines }

// evict forgets the host that was quiet for longest of those furthest from a
// ban, or the oldest line of one that is cold.
func (j *jail) evict() {
	if j.cold.places() > 0 {
		id := j.order.queues[0].oldest(&j.hosts)
		if id == 0 || j.hosts.last(j.hosts.get(id)) >= j.cold.at(j.cold.tail).entry.at {
			j.evictCold()
			return
		}
	}
	j.forget(j.order.first(&j.hosts))
	j.counts.Evicted++
}

// evictCold throws away the oldest of the lines of cold hosts.
func (j *jail) evictCold() {
	if !j.cold.at(j.cold.tail).gone {
		j.counts.Evicted++
	}
	j.cold.pop()
}

// sweep clears away up to n hosts whose last line has left the window.
func (j *jail) sweep(start instant, n int) {
	o := &j.order
	for i := 0; i < n && j.cold.leaves(start); i++ {
		j.cold.pop()
	}
	if o.least >= start {
		return
	}
	for level := range o.last {
		for o.last[level] < start {
			id := o.queues[level].oldest(&j.hosts)
			if last := j.hosts.last(j.hosts.get(id)); last >= start {
				o.last[level] = last
				break
			}
			if n == 0 {
				return
			}
			j.forget(id)
			n--
		}
	}
	o.least = slices.Min(o.last[:])
}
