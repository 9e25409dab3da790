package jail

import (
	"slices"
	"strconv"
	"strings"
)

// transports are the ways of coming that evidence names; 0 is unknown. A
// snapshot holds them by name, so that the list may change.
var transports = [...]string{
	"", "tcp", "tcp/ws", "tcp/wss", "tcp/tls/ws", "udp", "udp/quic", "udp/quic-v1",
	"udp/quic-v1/webtransport", "udp/webrtc-direct", "other",
}

const otherTransport = uint8(len(transports) - 1)

// parseTransport takes the source port and the transport from a multiaddr whose
// first component is the address: "/ip4/192.0.2.7/udp/4001/quic-v1". Both are 0
// when s is something else. The parser has validated s.
func parseTransport(s string) (port uint16, transport uint8) {
	rest, ok := strings.CutPrefix(s, "/ip4/")
	if !ok {
		if rest, ok = strings.CutPrefix(s, "/ip6/"); !ok {
			return 0, 0
		}
	}
	if _, rest, ok = strings.Cut(rest, "/"); !ok {
		return 0, 0
	}
	kind, rest, _ := strings.Cut(rest, "/")
	number, rest, _ := strings.Cut(rest, "/")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || kind != "tcp" && kind != "udp" {
		return 0, 0
	}
	if rest, _, _ = cutComponent(rest, "p2p"); rest == "" {
		return uint16(n), transportIndex(kind, "")
	}
	rest, _, _ = cutComponent(rest, "certhash")
	return uint16(n), transportIndex(kind, rest)
}

// cutComponent cuts s before a component of that name.
func cutComponent(s, name string) (before, after string, ok bool) {
	if strings.HasPrefix(s, name+"/") {
		return "", s, true
	}
	return strings.Cut(s, "/"+name+"/")
}

func transportIndex(kind, rest string) uint8 {
	i := slices.IndexFunc(transports[:], func(t string) bool {
		k, r, _ := strings.Cut(t, "/")
		return k == kind && r == rest
	})
	if i < 0 {
		return otherTransport
	}
	return uint8(i)
}
