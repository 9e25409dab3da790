package parser

import "net/netip"

type specialRange struct {
	name   string
	never  bool // refused even where private addresses are allowed
	prefix netip.Prefix
}

// specialRanges are the addresses that are never a stranger's on the internet:
// behind one of them stand a proxy, a container, a NAT or this machine itself.
// The documentation ranges are not among them: they are routable as far as any
// node knows. Package jail has a shorter list, for another question: which ranges
// an operator hardly means when he bans one by hand.
var specialRanges = []specialRange{
	{"unspecified", true, netip.MustParsePrefix("0.0.0.0/8")},        // RFC 1122 §3.2.1.3
	{"unspecified", true, netip.MustParsePrefix("::/128")},           // RFC 4291 §2.5.2
	{"loopback", false, netip.MustParsePrefix("127.0.0.0/8")},        // RFC 1122
	{"loopback", false, netip.MustParsePrefix("::1/128")},            // RFC 4291 §2.5.3
	{"private", false, netip.MustParsePrefix("10.0.0.0/8")},          // RFC 1918
	{"private", false, netip.MustParsePrefix("172.16.0.0/12")},       // RFC 1918
	{"private", false, netip.MustParsePrefix("192.168.0.0/16")},      // RFC 1918
	{"private", false, netip.MustParsePrefix("fc00::/7")},            // RFC 4193
	{"CGNAT", false, netip.MustParsePrefix("100.64.0.0/10")},         // RFC 6598
	{"link-local", false, netip.MustParsePrefix("169.254.0.0/16")},   // RFC 3927
	{"link-local", false, netip.MustParsePrefix("fe80::/10")},        // RFC 4291 §2.5.6
	{"multicast", true, netip.MustParsePrefix("224.0.0.0/4")},        // RFC 5771
	{"multicast", true, netip.MustParsePrefix("ff00::/8")},           // RFC 4291 §2.7
	{"broadcast", true, netip.MustParsePrefix("255.255.255.255/32")}, // RFC 919
	{"reserved", true, netip.MustParsePrefix("240.0.0.0/4")},         // RFC 1112 §4
	{"benchmark", false, netip.MustParsePrefix("198.18.0.0/15")},     // RFC 2544; proxies' made-up addresses
	{"protocol", false, netip.MustParsePrefix("192.0.0.0/24")},       // RFC 6890: DS-Lite, 464XLAT
	{"site-local", false, netip.MustParsePrefix("fec0::/10")},        // RFC 3879
	{"NAT64", false, netip.MustParsePrefix("64:ff9b:1::/48")},        // RFC 8215: a network's own
	{"discard", true, netip.MustParsePrefix("100::/64")},             // RFC 6666
	{"reserved", true, netip.MustParsePrefix("::/96")},               // RFC 4291 §2.5.5.1: IPv4-compatible
}

// specialFirst tells which first bytes special IPv4 and IPv6 addresses have:
// every record is asked for, and hardly one has such a byte.
var specialFirst = func() (first struct{ v4, v6 [256]bool }) {
	for _, r := range specialRanges {
		of, b, bits := &first.v6, r.prefix.Addr().AsSlice()[0], r.prefix.Bits()
		if r.prefix.Addr().Is4() {
			of = &first.v4
		}
		for n := range 1 << max(0, 8-bits) {
			of[int(b)+n] = true
		}
	}
	return first
}()

// special names the range that holds a, "loopback" or "private" for example, and
// says whether it is one that is never accepted. An address that a translator made
// of an IPv4 address is in that one's range. ok is false for a stranger's address.
func special(a netip.Addr) (name string, never, ok bool) {
	a = embedded(a.Unmap())
	if a.Is4() && !specialFirst.v4[a.As4()[0]] || a.Is6() && !specialFirst.v6[a.As16()[0]] {
		return "", false, false
	}
	a = a.WithZone("")
	for i := range specialRanges {
		if r := &specialRanges[i]; r.prefix.Contains(a) {
			return r.name, r.never, true
		}
	}
	return "", false, false
}

// strangerOrPrivate is Private for an address in a special range, else Accepted.
func strangerOrPrivate(host netip.Addr) Reject {
	if _, _, isSpecial := special(host); isSpecial {
		return Private
	}
	return Accepted
}

// embedded gives the IPv4 address in one of NAT64 or 6to4, and any other as it is.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case b[0] == 0x20 && b[1] == 0x02: // 2002::/16, RFC 3056 §2
		return netip.AddrFrom4([4]byte(b[2:6]))
	case [12]byte(b[:12]) == [12]byte{1: 0x64, 2: 0xff, 3: 0x9b}: // 64:ff9b::/96, RFC 6052 §2.1
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}
