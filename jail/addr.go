package jail

import (
	"net/netip"
	"slices"
)

// shared are IPv6 ranges in which neighbouring addresses belong to strangers,
// so that only the whole address names a host: NAT64 (RFC 6052, RFC 8215) and
// Teredo (RFC 4380) embed somebody's IPv4 address in the last bits.
var shared = [...]netip.Prefix{
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"),
}

// site6to4 is how many bits of a 6to4 address stand for the IPv4 address in it
// (RFC 3056 §2). Whoever has that has all of the /48 and nobody else any of it:
// packets to the /48 are sent to the IPv4 address.
const site6to4 = 48

func is6to4(addr netip.Addr) bool {
	b := addr.As16()
	return b[0] == 0x20 && b[1] == 0x02
}

// hostPrefix gives the prefix that addr is judged by: bits of an IPv6 address,
// or all of it where the wider prefix would take in strangers. A 6to4 address is
// judged as the IPv4 address in it would be, whatever bits are.
func hostPrefix(addr netip.Addr, bits int) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	whole := netip.PrefixFrom(addr, addr.BitLen())
	if is6to4(addr) {
		bits = site6to4
	}
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
// as the shared ranges or 6to4 do: hardly any other needs a closer look.
func (k *key) maybeShared() bool {
	first := k.hi >> 32
	return first == 0x64_ff9b || first == teredo || first>>16 == 0x2002
}

// teredo is 2001::/32, the first half of what hi holds.
const teredo = 0x2001_0000

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
