package agent

import (
	"strconv"
	"strings"

	"github.com/p2pban/p2pban/internal/metrics"
	"github.com/p2pban/p2pban/parser"
)

// inbound is the first of directions.
const inbound = 0

// What the node says of itself is counted under these words and no others.
var (
	directions = [...]string{"inbound", "outbound", "other"}
	// failureKinds are where a handshake failed; "upgrade" is before the
	// security handshake, or in it without a word in which.
	failureKinds = [...]string{"noise", "tls", "upgrade", "other"}
	// transportNames begins with the names that a multiaddr's components have.
	transportNames = [...]string{"tcp", "quic-v1", "quic", "ws", "wss", "webtransport", "webrtc", "udp", "circuit", "other"}
)

// nodeCounts is what a node's lines say of the node: connections established
// and handshakes failed, a line that stands for a hundred as a hundred.
type nodeCounts struct {
	established [len(directions)][len(transportNames)]int64
	failed      [len(failureKinds)][len(transportNames)]int64
}

// The canonical record of go-libp2p (core/canonicallog, LogPeerStatus) speaks of
// every connection, whether or not a rule in force calls it an offence.
const peerStatus = "CANONICAL_PEER_STATUS"

// note counts a line that was recognised.
func (n *nodeCounts) note(res *parser.Result) {
	if r := &res.Record; r.Tag == peerStatus {
		addr, _ := r.Get("addr")
		n.canonical(r.Status(), transportOf(addr), sampleRate(r))
	} else if res.Rule != nil && res.Reject == parser.Accepted {
		n.offence(&res.Event)
	}
}

// canonical counts a record that stands for weight of its kind.
func (n *nodeCounts) canonical(s parser.Status, t int, weight int64) {
	if s.Connection == "established" {
		n.established[index(directions[:], s.Direction)][t] += weight
	} else if s.Failed {
		n.failed[index(failureKinds[:], s.Failure)][t] += weight
	}
}

// offence counts the event of another line, by its rule.
func (n *nodeCounts) offence(ev *parser.Event) {
	_, offence, _ := strings.Cut(ev.Rule, "/")
	t := eventTransport(ev)
	switch offence {
	case "connection":
		n.established[inbound][t] += ev.Weight
	case "handshake":
		n.failed[index(failureKinds[:], "other")][t] += ev.Weight
	case "upgrade", "encryption", "length-prefix":
		n.failed[index(failureKinds[:], "upgrade")][t] += ev.Weight
	}
}

// sampleRate is how many events a canonical record stands for.
func sampleRate(r *parser.Record) int64 {
	text, _ := r.Get("sample_rate")
	if rate, err := strconv.ParseInt(text, 10, 32); err == nil && 1 <= rate && rate <= parser.MaxWeight {
		return rate
	}
	return 1
}

// index finds a word in a closed list whose last is "other".
func index(list []string, word string) int {
	for i := range list {
		if list[i] == word {
			return i
		}
	}
	return len(list) - 1
}

// transportOf names the transport of a multiaddr by its component nearest to
// the end that names one: what is said last is what the peer spoke.
func transportOf(addr string) int {
	name, tls := "", false
	for rest := addr; rest != ""; {
		var c string
		c, rest, _ = strings.Cut(rest, "/")
		switch c {
		case "p2p-circuit":
			return index(transportNames[:], "circuit")
		case "tls":
			tls = true
		case "webrtc-direct", "webrtc":
			name = "webrtc"
		case "ws":
			if name = "ws"; tls { // /tls/ws is what /wss abbreviates
				name = "wss"
			}
		case "tcp", "udp", "quic", "quic-v1", "wss", "webtransport":
			name = c
		}
	}
	return index(transportNames[:], name)
}

// byTransport is transportOf for what the parser has read already.
var byTransport = func() (t [len(parser.Transports)]int) {
	for i, name := range parser.Transports {
		t[i] = transportOf(name)
	}
	return t
}()

// eventTransport is transportOf for the address of an event.
func eventTransport(ev *parser.Event) int {
	if ev.Transport > parser.OtherTransport {
		return byTransport[ev.Transport]
	}
	return transportOf(ev.Addr)
}

// connections and failures give what was counted, without what never was.
func (n *nodeCounts) connections() (out []metrics.Connections) {
	for d, byTransport := range n.established {
		for t, count := range byTransport {
			if count > 0 {
				out = append(out, metrics.Connections{Direction: directions[d], Transport: transportNames[t], N: count})
			}
		}
	}
	return out
}

func (n *nodeCounts) failures() (out []metrics.HandshakeFailures) {
	for k, byTransport := range n.failed {
		for t, count := range byTransport {
			if count > 0 {
				out = append(out, metrics.HandshakeFailures{Kind: failureKinds[k], Transport: transportNames[t], N: count})
			}
		}
	}
	return out
}
