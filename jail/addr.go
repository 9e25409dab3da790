package jail

import (
	"net/netip"
	"slices"
)

// shared are IPv6 ranges in which neighbouring addresses belong to strangers,
// so that only the whole address names a host: NAT64 (RFC 6052, RFC 8215), 6to4
// (RFC 3056) and Teredo (RFC 4380) all embed somebody's IPv4 address.
var shared = [...]netip.Prefix{
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("2001::/32"),
}

// hostPrefix gives the prefix that addr is judged by: bits of an IPv6 address,
// or all of it where the wider prefix would take in strangers.
func hostPrefix(addr netip.Addr, bits int) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	whole := netip.PrefixFrom(addr, addr.BitLen())
	if addr.Is4() || bits == 128 {
		return whole
	}
	p, _ := addr.Prefix(bits) // bits is 32 to 128 and addr is IPv6: no error
	if overlapsShared(p) {
		return whole
	}
	return p
}

// overlapsShared says whether an IPv6 prefix of 32 bits or more, or any IPv4
// one, has an address in a shared range.
func overlapsShared(p netip.Prefix) bool {
	k := keyOf(p)
	return k.maybeShared() && slices.ContainsFunc(shared[:], p.Overlaps)
}

// maybeShared says whether an address, or a prefix of 32 bits or more, begins
// as the shared ranges do: hardly any other needs a closer look.
func (k *key) maybeShared() bool {
	first := k.hi >> 32
	return first == 0x64_ff9b || first == 0x2001_0000 || first>>16 == 0x2002
}

// network gives the network that a banned host widens to, IPv4 /24 or IPv6
// /48, and false where there is none.
func network(host netip.Prefix) (netip.Prefix, bool) {
	bits := widenIPv4
	if host.Addr().Is6() {
		bits = widenIPv6
	}
	if host.Bits() <= bits {
		return netip.Prefix{}, false
	}
	p := netip.PrefixFrom(host.Addr(), bits).Masked()
	if overlapsShared(p) {
		return netip.Prefix{}, false
	}
	return p, true
}

// The networks that bans widen to: the smallest that is announced on the
// internet by itself, and so the smallest that one party must hold.
const (
	widenIPv4 = 24
	widenIPv6 = 48
)

// plain masks p and turns an IPv4-mapped prefix into the IPv4 one.
func plain(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}
