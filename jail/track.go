package jail

import "net/netip"

// record puts a line into its host's window, brings the window up to the clock
// and makes the host the last one seen. id is the host, 0 if it is not tracked
// yet.
func (j *jail) record(p *place, id hostID, line entry, peer string, start instant) hostID {
	if id == 0 {
		id = j.trackCold(&p.key, p.hash)
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

// trackCold begins to track a host that is cold; it gives 0 when that has no lines.
func (j *jail) trackCold(k *key, hash uint64) hostID {
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
