package parser

import "strings"

// Transport is the way a peer came, as its multiaddr names it.
type Transport uint8

// Transports are the names of the ways, by Transport: the components of a
// multiaddr after its address, without the port. The first stands for unknown.
var Transports = [...]string{
	"", "other", "tcp", "tcp/ws", "tcp/wss", "tcp/tls/ws",
	"udp", "udp/quic", "udp/quic-v1", "udp/quic-v1/webtransport", "udp/webrtc-direct",
}

// Those that code names.
const (
	OtherTransport Transport = 1

	firstTCP = 2
	tcpWS    = 3
	tcpWSS   = 4
	firstUDP = 6
	udpQUIC  = 7
	quicV1   = 8

	webRTCDirect = 10
)

// String is the name, "tcp" or "udp/quic-v1".
func (t Transport) String() string { return Transports[t] }

// overTCP tells whether a multiaddr whose first component is the address goes on
// with TCP, whose own handshake proves the address. It does not validate ma.
func overTCP(ma string) bool {
	parts := strings.SplitN(ma, "/", 5) // "", ip4, address, tcp, the rest
	return len(parts) == 5 && parts[3] == "tcp"
}

// ProvenWay tells whether a peer who came by this multiaddr has shown that the
// address is his; failed says that a canonical record tells of a failed handshake.
// Over UDP only QUIC makes him show it. WebRTC's libraries name the address on the
// first STUN packet, and connect with whoever goes on with the packet's
// credentials: one who forges the sender of the first and no other is connected,
// and logged with the forged address (seen with go-libp2p v0.51). go-libp2p
// prints such an address bare, /udp/4001; that of a failed handshake, so printed,
// is WebTransport's, which is QUIC. It does not validate ma.
func ProvenWay(ma string, failed bool) bool {
	return !strings.Contains(ma, "/udp/") || strings.Contains(ma, "/quic") ||
		failed && !strings.Contains(ma, "/webrtc")
}

// proven is ProvenWay for a transport that TransportOf knows.
func (t Transport) proven(failed bool) bool {
	switch t {
	case 0, OtherTransport, webRTCDirect:
		return false
	case firstUDP:
		return failed
	}
	return true
}

// TransportOf takes the source port and the transport from a multiaddr whose
// first component is the address: "/ip4/192.0.2.7/udp/4001/quic-v1". Both are 0
// when ma is something else. It does not validate ma.
func TransportOf(ma string) (port uint16, t Transport) {
	const proto = len("/ip4/")
	if len(ma) < proto || ma[:proto] != "/ip4/" && ma[:proto] != "/ip6/" {
		return 0, 0
	}
	s := ma[proto:]
	i := strings.IndexByte(s, '/')
	if i < 0 || len(s) < i+len("/tcp/") {
		return 0, 0
	}
	kind := s[i : i+len("/tcp/")]
	port, s = parsePort(s[i+len("/tcp/"):])
	switch {
	case port == 0:
		return 0, 0
	case kind == "/tcp/":
		return port, transportNamed(s, firstTCP, firstUDP)
	case kind == "/udp/":
		return port, transportNamed(s, firstUDP, Transport(len(Transports)))
	}
	return 0, 0
}

// parsePort reads "4001" and gives what comes after it.
func parsePort(s string) (port uint16, rest string) {
	n, i := 0, 0
	for i < len(s) && s[i] != '/' {
		if s[i] < '0' || s[i] > '9' || n > 0xffff {
			return 0, ""
		}
		n = n*10 + int(s[i]-'0')
		i++
	}
	if n > 0xffff {
		return 0, ""
	}
	return uint16(n), s[i:]
}

// transportNamed finds what follows the port, up to a peer id or a certificate
// hash, among Transports[from:to].
func transportNamed(rest string, from, to Transport) Transport {
	for t := from; t < to; t++ {
		after, ok := strings.CutPrefix(rest, Transports[t][len("tcp"):])
		if ok && (after == "" || strings.HasPrefix(after, "/p2p/") || strings.HasPrefix(after, "/certhash/")) {
			return t
		}
	}
	return OtherTransport
}
