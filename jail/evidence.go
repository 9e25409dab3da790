package jail

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/p2pban/p2pban/parser"
)

// line makes what is kept of an event, but for its rule.
func line(ev *parser.Event, at instant) entry {
	return entry{
		at:        at,
		weight:    uint32(max(1, min(ev.Weight, MaxWeight))),
		peer:      hashPeer(ev.Peer),
		port:      ev.Port,
		transport: uint8(ev.Transport),
	}
}

// hashPeer is never 0 for a peer id, and the same in every process: snapshots
// hold it. Two ids with one hash count as one peer; whoever seeks such a pair
// could as well use one id twice.
func hashPeer(id string) uint32 {
	if id == "" {
		return 0
	}
	return max(uint32(xxhash.Sum64String(id)), 1)
}

// evidence is what lines in order of time show, of which sample is the text of
// some of their peer ids; ev is the deciding event, if there is one.
func (j *jail) evidence(lines []entry, sample []string, ev *parser.Event) Evidence {
	e := Evidence{
		Rules: map[string]int{},
		First: lines[0].at.time(),
		Last:  lines[len(lines)-1].at.time(),
	}
	var peers []uint32
	ways := uint(0) // a bit for each of parser.Transports
	for _, l := range slices.Backward(lines) {
		e.Rules[j.cfg.Rules[l.rule]]++
		if l.peer != 0 {
			peers = append(peers, l.peer)
		}
		if l.port != 0 && len(e.Ports) < MaxEvidencePorts && !slices.Contains(e.Ports, l.port) {
			e.Ports = append(e.Ports, l.port)
		}
		ways |= 1 << l.transport
	}
	slices.Sort(peers)
	peers = slices.Compact(peers)
	e.PeerCount = len(peers)
	slices.Sort(e.Ports)
	for i := 1; i < len(parser.Transports); i++ {
		if ways&(1<<i) != 0 {
			e.Transports = append(e.Transports, parser.Transports[i])
		}
	}
	slices.Sort(e.Transports)
	for _, id := range sample {
		if _, ok := slices.BinarySearch(peers, hashPeer(id)); ok {
			e.Peers = append(e.Peers, id)
		}
	}
	slices.Sort(e.Peers)
	if ev != nil {
		e.decidedBy(ev)
	}
	return e
}

// decidedBy adds what only the deciding event can tell.
func (e *Evidence) decidedBy(ev *parser.Event) {
	e.Line = clip(ev.Text, MaxEvidenceLine)
	if ev.Peer == "" || slices.Contains(e.Peers, ev.Peer) {
		return
	}
	if len(e.Peers) == MaxEvidencePeers {
		e.Peers = e.Peers[:MaxEvidencePeers-1]
	}
	e.Peers = append(e.Peers, strings.Clone(ev.Peer))
	slices.Sort(e.Peers)
}

// clip copies at most n bytes of s and cuts no character in two.
func clip(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.Clone(s)
}
