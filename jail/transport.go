package jail

import "strings"

// transports are the ways of coming that evidence names; 0 is unknown. A
// snapshot holds their names, so that the list may change.
var transports = [...]string{
	"", "other", "tcp", "tcp/ws", "tcp/wss", "tcp/tls/ws",
	"udp", "udp/quic", "udp/quic-v1", "udp/quic-v1/webtransport", "udp/webrtc-direct",
}

const (
	otherTransport = 1
	firstTCP       = 2
	tcpWS          = 3
	firstUDP       = 6
	quicV1         = 8
)

// parseTransport takes the source port and the transport from a multiaddr whose
// first component is the address: "/ip4/192.0.2.7/udp/4001/quic-v1". Both are 0
// when s is something else. The parser has validated s.
func parseTransport(s string) (port uint16, transport uint8) {
	const proto = len("/ip4/")
	if len(s) < proto || s[:proto] != "/ip4/" && s[:proto] != "/ip6/" {
		return 0, 0
	}
	i := proto
	for i < len(s) && s[i] != '/' {
		i++
	}
	if len(s) < i+len("/tcp/") {
		return 0, 0
	}
	kind := s[i : i+len("/tcp/")]
	port, s = parsePort(s[i+len("/tcp/"):])
	switch {
	case port == 0:
		return 0, 0
	case kind == "/tcp/":
		return port, transportIndex(s, firstTCP, firstUDP)
	case kind == "/udp/":
		return port, transportIndex(s, firstUDP, len(transports))
	}
	return 0, 0
}

// parsePort reads "4001" and gives what comes after it.
func parsePort(s string) (port uint16, rest string) {
	n, i := uint(0), 0
	for ; i < len(s) && s[i] != '/'; i++ {
		d := uint(s[i] - '0')
		if n = n*10 + d; d > 9 || n > 0xffff {
			return 0, ""
		}
	}
	return uint16(n), s[i:]
}

// transportIndex finds what follows the port, up to a peer id or a certificate
// hash, among transports[from:to].
func transportIndex(rest string, from, to int) uint8 {
	switch { // as most are, and cheaper to see
	case rest == "":
		return uint8(from)
	case rest == "/quic-v1" && from == firstUDP:
		return quicV1
	case rest == "/ws" && from == firstTCP:
		return tcpWS
	}
	for i := from; i < to; i++ {
		after, ok := strings.CutPrefix(rest, transports[i][len("tcp"):])
		if ok && (after == "" || strings.HasPrefix(after, "/p2p/") || strings.HasPrefix(after, "/certhash/")) {
			return uint8(i)
		}
	}
	return otherTransport
}
