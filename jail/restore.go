package jail

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/netip"
	"slices"
	"strings"

	"github.com/p2pban/p2pban/parser"
)

// Restored is what a snapshot brought back.
type Restored struct {
	// Hosts have their windows again, Bans are in force again.
	Hosts, Bans int
	// Dropped are bans of jails that are no longer there, and bans by jails
	// that take in an address which must not be banned any more.
	Dropped []Decision
}

// SnapshotError says that bytes are no snapshot, or one this version can't read.
type SnapshotError struct{ Err error }

func (e *SnapshotError) Error() string { return "reading the snapshot of the jails: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *SnapshotError) Unwrap() error { return e.Err }

// Restore takes a snapshot back into a new Set, before its first event. Jails
// are found by name, and their rules too, so the configuration may have
// changed: lines of rules that a jail no longer counts are dropped, and IPv6
// hosts when the jail's ipv6prefix is another. Bans that ended meanwhile are
// lifted by the next Observe or Advance. The error is a *SnapshotError, after
// which the Set is to be thrown away.
func (s *Set) Restore(data []byte) (Restored, error) {
	body, err := openSnapshot(data)
	if err != nil {
		return Restored{}, &SnapshotError{err}
	}
	d := &restorer{decoder: decoder{b: body}, set: s}
	s.clock = d.instant()
	d.readTransports()
	s.seen = d.distinct()
	for range d.count() {
		d.jail()
	}
	if d.err == nil && len(d.b) > 0 {
		d.fail()
	}
	if d.err != nil {
		return Restored{}, &SnapshotError{d.err}
	}
	for _, j := range s.jails {
		j.bound(s.start(j)) // which may be tighter now
	}
	return d.restored, nil
}

// RestoreBans makes the bans in force exactly these, each as the decision that
// set it, where they were saved apart from the snapshot and later. Hosts that
// it brings in have their windows emptied and the ban counted for growth, as at
// a ban. It gives those that were not taken, as in Restored.Dropped.
func (s *Set) RestoreBans(bans []Decision) (dropped []Decision) {
	known := map[*jail]map[netip.Prefix]instant{}
	for _, j := range s.all() {
		known[j] = map[netip.Prefix]instant{}
		for len(j.bans) > 0 {
			b := j.bans[len(j.bans)-1]
			known[j][b.Prefix] = b.at
			s.lift(b, s.clock)
			j.counts.Unbans--
		}
	}
	for _, d := range bans {
		j := s.jail(d.Jail)
		if j == nil || d.Action != Ban || !d.Prefix.IsValid() {
			dropped = append(dropped, d)
			continue
		}
		b := &ban{Decision: d, jail: j, at: toInstant(d.At), until: never}
		b.Prefix = plain(d.Prefix)
		if s.forbids(b) || s.find(j, b.Prefix) != nil {
			dropped = append(dropped, d)
			continue
		}
		if !d.Until.IsZero() {
			b.until = toInstant(d.Until)
		}
		s.put(b)
		if at, ok := known[j][b.Prefix]; !ok || at != b.at {
			s.remember(j, b)
			j.forgetHost(b.Prefix)
		}
	}
	return dropped
}

// openSnapshot checks what surrounds a snapshot.
func openSnapshot(data []byte) ([]byte, error) {
	rest, ok := strings.CutPrefix(string(data[:min(len(data), len(snapshotMagic))]), snapshotMagic)
	if !ok || rest != "" {
		return nil, fmt.Errorf("it does not begin with %q", snapshotMagic)
	}
	version, size := binary.Uvarint(data[len(snapshotMagic):])
	if size > 0 && version != snapshotVersion {
		return nil, fmt.Errorf("it has version %d, this program reads version %d", version, snapshotVersion)
	}
	body := len(data) - crc32.Size
	if start := len(snapshotMagic) + size; size > 0 && body >= start &&
		binary.LittleEndian.Uint32(data[body:]) == checksum(data[:body]) {
		return data[start:body], nil
	}
	return nil, errDamaged
}

// restorer decodes into a Set.
type restorer struct {
	decoder
	set *Set
	// transports maps the snapshot's transports to ours.
	transports []uint8
	restored   Restored
}

func (d *restorer) readTransports() {
	for _, name := range d.strings() {
		i := slices.Index(parser.Transports[:], name)
		if i < 0 {
			i = int(parser.OtherTransport)
		}
		d.transports = append(d.transports, uint8(i))
	}
}

// jail decodes one jail into the one of its name, or into nothing.
func (d *restorer) jail() {
	name := d.string()
	j := d.set.jail(name)
	bits := d.count32()
	samePrefix := j != nil && j.cfg.IPv6Prefix == bits
	rules := d.mapRules(j)
	for range d.count() {
		d.host(j, samePrefix, rules)
	}
	for range d.count() {
		d.ban(j, name)
	}
	for range d.count() {
		p, n, forget := d.prefix(), d.count32(), d.instant()
		if d.err == nil && j != nil && j.cfg.Factor > 1 {
			j.past.set(p, n, forget, j.cfg.MaxBans)
		}
	}
	banned, minute, n := d.distinct(), d.instant(), d.count32()
	if j != nil {
		j.guard.banned, j.guard.minute, j.guard.inMinute = banned, minute, n
	}
}

// noRule marks a rule that the jail no longer counts.
const noRule = MaxRules

// mapRules maps the snapshot's rules to the jail's.
func (d *restorer) mapRules(j *jail) []uint16 {
	var out []uint16
	for _, name := range d.strings() {
		i := -1
		if j != nil {
			i = slices.Index(j.cfg.Rules, name)
		}
		if i < 0 {
			i = noRule
		}
		out = append(out, uint16(i))
	}
	return out
}

// host decodes one host; it is tracked again if lines are left to count.
func (d *restorer) host(j *jail, samePrefix bool, rules []uint16) {
	p, held := d.prefix(), d.bool()
	at := d.set.clock
	var lines []entry
	for range d.count() {
		at += instant(d.int())
		l := entry{
			at: at, weight: uint32(d.below(MaxWeight + 1)), peer: uint32(d.below(1 << 32)),
			rule: uint16(d.below(uint64(len(rules)))), port: uint16(d.below(1 << 16)),
		}
		way := d.below(uint64(len(d.transports)))
		if at < 0 || at > d.set.clock {
			d.fail()
		}
		if d.err != nil {
			return
		}
		l.rule, l.transport = rules[l.rule], d.transports[way]
		if l.rule != noRule {
			lines = append(lines, l)
		}
	}
	sample := d.strings()
	if d.err != nil || j == nil || len(lines) == 0 || p.Addr().Is6() && !samePrefix {
		return
	}
	if len(sample) > MaxEvidencePeers || j.hosts.find(p) != 0 {
		d.fail()
		return
	}
	j.readmit(p, lines, sample, held)
	d.restored.Hosts++
}

// readmit tracks a host with the lines it had.
func (j *jail) readmit(p netip.Prefix, lines []entry, sample []string, held bool) {
	k := keyOf(p)
	id := j.track(&k, k.hash(&j.hosts.seed), lines[0])
	x := j.hosts.get(id)
	for _, l := range lines[1:] {
		j.add(id, x, l)
	}
	for _, id := range sample {
		j.hosts.keepPeer(x, hashPeer(id), id)
	}
	j.order.touch(&j.hosts, id, j.level(x.sum))
	if held && x.sum >= j.cfg.MaxRetry {
		j.keepHeld(id)
	}
}

// ban decodes one ban and brings it into force, unless its jail is gone or it
// must not be any more.
func (d *restorer) ban(j *jail, name string) {
	b := &ban{jail: j}
	b.Prefix, b.Host = d.prefix(), d.addr()
	b.at, b.until = d.instant(), d.instant()
	b.Failures = d.int()
	b.Evidence = d.evidence()
	if d.err != nil {
		return
	}
	if j == nil || d.set.forbids(b) {
		b.Action, b.Jail, b.At, b.Until = Ban, name, b.at.time(), b.until.time()
		d.restored.Dropped = append(d.restored.Dropped, b.Decision)
		return
	}
	if d.set.find(j, b.Prefix) != nil {
		d.fail()
		return
	}
	d.set.put(b)
	d.restored.Bans++
}

func (d *restorer) evidence() Evidence {
	var ev Evidence
	if n := d.count(); n > 0 {
		ev.Rules = map[string]int{}
		for range n {
			rule := d.string()
			ev.Rules[rule] = d.count32()
		}
	}
	ev.First, ev.Last = d.instant().timeOrZero(), d.instant().timeOrZero()
	ev.Peers = d.strings()
	ev.PeerCount = d.count32()
	for range d.count() {
		ev.Ports = append(ev.Ports, uint16(d.below(1<<16)))
	}
	ev.Transports = d.strings()
	ev.Line, ev.Reason = d.string(), d.string()
	ev.Folded = d.count32()
	return ev
}

// count32 reads a number that counts things which are not in the snapshot.
func (d *decoder) count32() int { return int(d.below(1 << 31)) }

func (d *decoder) distinct() distinct {
	x := distinct{since: d.instant()}
	for _, k := range []*sketch{&x.young, &x.both} {
		n := d.count()
		if n > 0 {
			k.words = make([]uint64, sketchBits/64)
		}
		for i := 0; n > 0; n-- {
			i += int(d.below(sketchBits / 64))
			b := d.bytes(8)
			if i >= len(k.words) || b == nil {
				d.fail()
				break
			}
			k.words[i] = binary.LittleEndian.Uint64(b)
			i++
		}
		k.recount()
	}
	return x
}
