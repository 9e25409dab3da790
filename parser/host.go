package parser

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/multiformats/go-multiaddr"
)

// ParseHost gives the host that a peer's multiaddr stands for: the address of
// its first component, if that is ip4 or ip6 (which an ip6zone may precede),
// unmapped and without a zone. The reason is Relayed when the address names a
// relay, NoIP when it has no address of its own or only a name (names are never
// resolved: the peer chose them), Private for loopback, private, link-local and
// other ranges that are no stranger's (specialRanges), and Malformed when it is no
// multiaddr.
func ParseHost(ma string) (netip.Addr, Reject) {
	host, reject, _ := hostOf(ma)
	return host, reject
}

// hostOf is ParseHost with the reason in words. The host is given with Private
// too.
func hostOf(ma string) (netip.Addr, Reject, string) {
	switch {
	case ma == "":
		return netip.Addr{}, NoIP, "no address"
	case len(ma) > MaxAddr:
		return netip.Addr{}, Malformed, "the address is too long"
	case ma[0] != '/':
		return netip.Addr{}, Malformed, "the address is no multiaddr"
	case strings.Contains(ma, "/p2p-circuit"):
		return netip.Addr{}, Relayed, "the address is the relay's"
	}
	a, rest, reject, detail := firstAddr(ma)
	if reject != Accepted {
		return netip.Addr{}, reject, detail
	}
	if !plainTransport(rest) {
		if _, err := multiaddr.NewMultiaddr(ma); err != nil || strings.HasPrefix(rest, "/ipcidr") {
			return netip.Addr{}, Malformed, "the address is no peer's multiaddr"
		}
	}
	if _, _, ok := special(a); ok {
		return a, Private, "the address is private or special"
	}
	return a, Accepted, ""
}

// hostOfCanonical is hostOfValue for a canonical record, whose address is a
// multiaddr and never a bare one, as other loggers write.
func hostOfCanonical(v string) (netip.Addr, Reject, string) {
	host, why, detail := hostOfValue(v)
	if why != NoIP && !strings.HasPrefix(v, "/") {
		return netip.Addr{}, Malformed, "addr is no multiaddr"
	}
	return host, why, detail
}

// hostOfValue is hostOf for what a rule finds in its host field: a multiaddr, a
// bare address, an address with a port, or either of the latter in nim's some("…")
// (Option) or ok(…) (Opt).
func hostOfValue(v string) (netip.Addr, Reject, string) {
	if v == "" || v[0] == '/' || len(v) > MaxAddr {
		return hostOf(v)
	}
	if inner, ok := strings.CutPrefix(v, `some("`); ok {
		v = strings.TrimSuffix(inner, `")`)
	} else if inner, ok := strings.CutPrefix(v, "ok("); ok {
		v = strings.TrimSuffix(inner, ")")
	}
	a, err := netip.ParseAddr(v)
	if err != nil {
		ap, err := netip.ParseAddrPort(v)
		if err != nil {
			return netip.Addr{}, Malformed, "the address is neither a multiaddr nor an IP address"
		}
		a = ap.Addr()
	}
	a = a.WithZone("").Unmap()
	if _, _, ok := special(a); ok {
		return a, Private, "the address is private or special"
	}
	return a, Accepted, ""
}

// firstAddr reads the leading ip4 or ip6 component by hand: it runs for every
// record, and the library takes thirty times as long.
func firstAddr(ma string) (a netip.Addr, rest string, reject Reject, detail string) {
	proto, value, rest := component(ma)
	if proto == "ip6zone" {
		if value == "" {
			return a, "", Malformed, "an empty zone"
		}
		if proto, value, rest = component(rest); proto != "ip6" {
			return a, "", Malformed, "a zone without an ip6 address"
		}
	}
	var err error
	switch proto {
	case "ip4":
		a, err = netip.ParseAddr(value)
		if err != nil || !a.Is4() {
			return a, "", Malformed, "ip4 holds no IPv4 address"
		}
	case "ip6":
		a, err = netip.ParseAddr(value)
		if err != nil || !a.Is6() || a.Zone() != "" {
			return a, "", Malformed, "ip6 holds no IPv6 address"
		}
	case "dns", "dns4", "dns6", "dnsaddr":
		return a, "", NoIP, "a name is never resolved"
	case "unix", "memory", "onion", "onion3", "garlic32", "garlic64", "p2p", "ipfs":
		return a, "", NoIP, "the address holds no IP address"
	default:
		return a, "", Malformed, "the address begins with no known component"
	}
	return a.Unmap(), rest, Accepted, ""
}

// component splits "/proto/value/…" after its value.
func component(s string) (proto, value, rest string) {
	if s == "" || s[0] != '/' {
		return "", "", ""
	}
	proto, rest, _ = strings.Cut(s[1:], "/")
	i := strings.IndexByte(rest, '/')
	if i < 0 {
		return proto, rest, ""
	}
	return proto, rest[:i], rest[i:]
}

// plainTransport tells whether s is a transport that needs no library to judge:
// nothing, or a tcp or udp port followed by components without a value.
func plainTransport(s string) bool {
	if s == "" {
		return true
	}
	proto, port, rest := component(s)
	if proto != "tcp" && proto != "udp" {
		return false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || len(port) > 1 && n < 10 || port[0] == '+' {
		return false
	}
	switch rest {
	case "", "/quic", "/quic-v1", "/quic-v1/webtransport", "/ws", "/wss", "/tls/ws", "/webrtc-direct":
		return true
	}
	return false
}
