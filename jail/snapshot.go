package jail

import (
	"encoding/binary"
	"hash/crc32"
	"maps"
	"net/netip"
	"slices"

	"github.com/p2pban/p2pban/parser"
)

// A snapshot is snapshotMagic, the version, what follows here, and the CRC-32C
// of all before it:
//
//	clock · names of transports · hosts seen lately · jails, Manual last
//	jail: name · bits of IPv6 · rules · hosts by level, the oldest first
//	      · bans · earlier bans · guard
//	host: prefix · held · lines, times as differences · sample of peer ids
const (
	snapshotMagic   = "p2pban jails\n"
	snapshotVersion = 2
)

// checksum is CRC-32C. Its table is made when it is first asked for.
func checksum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

// Snapshot gives everything that decides what happens next: the clock, the
// windows, the bans with their evidence, the earlier bans and the guard, but
// neither the configuration nor the Counts. Restore takes it back.
func (s *Set) Snapshot() []byte { return s.snapshot(true, func() {}) }

// pauseEvery is after how many hosts or bans SnapshotPausing pauses: some
// milliseconds.
const pauseEvery = 1024

// SnapshotPausing is Snapshot for a Set whose owner has others to answer: that
// of a million hosts takes seconds. It calls pause now and then, which may look
// at the Set and must not change it. The bans have no evidence in it, which is
// nine tenths of what they take: the owner saves them apart, for RestoreBans.
func (s *Set) SnapshotPausing(pause func()) []byte { return s.snapshot(false, pause) }

func (s *Set) snapshot(evidence bool, pause func()) []byte {
	e := &encoder{b: make([]byte, 0, s.snapshotSize(evidence))}
	e.b = append(e.b, snapshotMagic...)
	e.uint(snapshotVersion)
	e.int(int64(s.clock))
	e.strings(parser.Transports[:])
	e.distinct(&s.seen)
	e.count(len(s.jails) + 1)
	for _, j := range s.all() {
		e.jail(j, s.clock, evidence, pause)
	}
	return binary.LittleEndian.AppendUint32(e.b, checksum(e.b))
}

// snapshotSize guesses the size, so that a large snapshot is not copied while
// it grows.
func (s *Set) snapshotSize(evidence bool) int {
	n, ban := 1<<16, 48
	if evidence {
		ban = 768
	}
	for _, j := range s.all() {
		n += j.known()*12 + j.remembered()*24 + len(j.bans)*ban
	}
	return n
}

func (e *encoder) jail(j *jail, clock instant, evidence bool, pause func()) {
	n := 0
	one := func() {
		if n++; n%pauseEvery == 0 {
			pause()
		}
	}
	e.string(j.cfg.Name)
	e.count(j.cfg.IPv6Prefix)
	e.strings(j.cfg.Rules)
	e.count(j.known())
	for k, lines := range j.cold.all() {
		e.host(k.prefix(), false, lines, clock)
		e.strings(nil)
		one()
	}
	for id := range j.order.all(&j.hosts) {
		x := j.hosts.get(id)
		e.host(x.prefix(), x.held(), j.hosts.appendLines(nil, x), clock)
		e.strings(j.hosts.sampleOf(x))
		one()
	}
	e.count(len(j.bans))
	for _, b := range j.bans {
		e.ban(b)
		if evidence {
			e.evidence(&b.Evidence)
		} else {
			e.evidence(&Evidence{})
		}
		one()
	}
	e.count(len(j.past.heap))
	for _, p := range j.past.heap {
		e.prefix(p.prefix)
		e.count(p.count)
		e.int(int64(p.forget))
	}
	e.distinct(&j.guard.banned)
	e.int(int64(j.guard.minute))
	e.count(j.guard.inMinute)
}

func (e *encoder) host(p netip.Prefix, held bool, lines []entry, clock instant) {
	e.prefix(p)
	e.bool(held)
	e.count(len(lines))
	before := clock
	for _, l := range lines {
		e.int(int64(l.at - before))
		before = l.at
		e.uint(uint64(l.weight))
		e.uint(uint64(l.peer))
		e.uint(uint64(l.rule))
		e.uint(uint64(l.port))
		e.uint(uint64(l.transport))
	}
}

func (e *encoder) ban(b *ban) {
	e.prefix(b.Prefix)
	e.addr(b.Host)
	e.int(int64(b.at))
	e.int(int64(b.until))
	e.int(b.Failures)
}

func (e *encoder) evidence(ev *Evidence) {
	e.count(len(ev.Rules))
	for _, rule := range slices.Sorted(maps.Keys(ev.Rules)) {
		e.string(rule)
		e.count(ev.Rules[rule])
	}
	e.int(int64(toInstant(ev.First)))
	e.int(int64(toInstant(ev.Last)))
	e.strings(ev.Peers)
	e.count(ev.PeerCount)
	e.count(len(ev.Ports))
	for _, p := range ev.Ports {
		e.uint(uint64(p))
	}
	e.strings(ev.Transports)
	e.string(ev.Line)
	e.string(ev.Reason)
	e.count(ev.Folded)
}

// distinct writes the words of each sketch that are not zero, each after the
// number of zero words before it.
func (e *encoder) distinct(d *distinct) {
	e.int(int64(d.since))
	for _, k := range []*sketch{&d.young, &d.both} {
		n, gap := 0, 0
		for _, w := range k.words {
			if w != 0 {
				n++
			}
		}
		e.count(n)
		for _, w := range k.words {
			if w == 0 {
				gap++
				continue
			}
			e.count(gap)
			e.b = binary.LittleEndian.AppendUint64(e.b, w)
			gap = 0
		}
	}
}
