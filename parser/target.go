package parser

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/multiformats/go-multiaddr"
)

// ParseTarget reads what an operator writes for a host or a network: an address
// (192.0.2.7, 2001:db8::7), an address with a port, a prefix (192.0.2.0/24) or
// a multiaddr (/ip4/192.0.2.7/tcp/4001, /ip4/192.0.2.0/ipcidr/24). A single
// address gives a prefix of its full length; IPv4-mapped addresses give IPv4.
// Special ranges are accepted: whether to refuse them is the caller's decision.
func ParseTarget(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return netip.Prefix{}, fmt.Errorf("no address; want an address, a prefix or a multiaddr")
	case s[0] == '/':
		return parseMultiaddrTarget(s)
	case strings.Contains(s, "/"):
		return parsePrefixTarget(s)
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		var ap netip.AddrPort
		if ap, err = netip.ParseAddrPort(s); err == nil {
			a = ap.Addr()
		}
	}
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no address; want one like 192.0.2.7, 2001:db8::7, 192.0.2.0/24 or /ip4/192.0.2.7", s)
	}
	return single(s, a)
}

func single(s string, a netip.Addr) (netip.Prefix, error) {
	if a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q has a zone; write the address without %%%s", s, a.Zone())
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func parsePrefixTarget(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no prefix; want one like 192.0.2.0/24 or 2001:db8::/48", s)
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%q covers more than the IPv4-mapped addresses; write the IPv4 prefix", s)
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if m := p.Masked(); m != p {
		return netip.Prefix{}, fmt.Errorf("%q has bits set beyond its length; write %s, or %s for the one address", s, m, p.Addr())
	}
	return p, nil
}

func parseMultiaddrTarget(s string) (netip.Prefix, error) {
	ma, err := multiaddr.NewMultiaddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no multiaddr: %w", s, err)
	}
	a, rest, reject, detail := firstAddr(s)
	if strings.Contains(s, "/p2p-circuit") {
		reject, detail = Relayed, "its address is the relay's, not the peer's"
	}
	if reject != Accepted {
		return netip.Prefix{}, fmt.Errorf("%q names no host: %s; write the address itself", s, detail)
	}
	bits, err := ma.ValueForProtocol(multiaddr.P_IPCIDR)
	if err != nil || !strings.HasPrefix(rest, "/ipcidr/") {
		return single(s, a)
	}
	p, err := parsePrefixTarget(a.String() + "/" + bits)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: %w", s, err)
	}
	return p, nil
}
