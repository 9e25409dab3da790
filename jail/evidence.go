package jail

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/p2pban/p2pban/parser"
)

// line makes what is kept of an event, but for its rule.
func line(ev *parser.Event, at instant) entry {
	port, transport := parseTransport(ev.Addr)
	return entry{
		at:        at,
		weight:    uint32(max(1, min(ev.Weight, MaxWeight))),
		peer:      hashPeer(ev.Peer),
		port:      port,
		transport: transport,
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
	peers := map[uint32]bool{}
	ports := map[uint16]bool{}
	ways := map[string]bool{}
	for _, l := range slices.Backward(lines) {
		e.Rules[j.cfg.Rules[l.rule]]++
		if l.peer != 0 {
			peers[l.peer] = true
		}
		if l.port != 0 && len(ports) < MaxEvidencePorts {
			ports[l.port] = true
		}
		if l.transport != 0 {
			ways[transports[l.transport]] = true
		}
	}
	e.PeerCount = len(peers)
	e.Ports = sortedKeys(ports)
	e.Transports = sortedKeys(ways)
	for _, id := range sample {
		if peers[hashPeer(id)] {
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

func sortedKeys[K interface{ ~uint16 | ~string }](m map[K]bool) []K {
	if len(m) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(m))
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
