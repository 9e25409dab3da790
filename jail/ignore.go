package jail

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gaissmai/bart"
	"github.com/multiformats/go-multiaddr"
)

// ParseIgnore reads one entry of ignoreip:
//
//	192.0.2.7, 2001:db8::7           this address
//	192.0.2.0/24, 2001:db8::/32      this network
//	/ip4/192.0.2.7[/tcp/4001…]       this address, whatever the port
//	/ip4/192.0.2.0/ipcidr/24         this network
//	12D3KooW…, Qm…, /p2p/12D3KooW…   this authenticated peer, wherever it is
//	/ip4/192.0.2.7/tcp/4001/p2p/Qm…  both the address and the peer
//
// The prefix is not valid when s names only a peer; peer is base58, empty when
// s names only addresses.
func ParseIgnore(s string) (prefix netip.Prefix, peer string, err error) {
	switch {
	case s == "":
		return prefix, "", fmt.Errorf("empty entry: expected an address, a network, a multiaddr or a peer id")
	case s[0] == '/':
		return parseIgnoreMultiaddr(s)
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		if p != p.Masked() {
			return prefix, "", fmt.Errorf("%q: has bits after the network; write %s, or the address alone", s, p.Masked())
		}
		return plain(p), "", nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return prefix, "", fmt.Errorf("%q: write it without the zone %q", s, "%"+a.Zone())
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), "", nil
	}
	if c, err := multiaddr.NewComponent("p2p", s); err == nil {
		return prefix, c.Value(), nil
	}
	return prefix, "", fmt.Errorf("%q: expected an address (192.0.2.7), a network (192.0.2.0/24), a multiaddr (/ip4/192.0.2.7) or a peer id (12D3KooW…)", s)
}

func parseIgnoreMultiaddr(s string) (prefix netip.Prefix, peer string, err error) {
	m, err := multiaddr.NewMultiaddr(s)
	if err != nil {
		return prefix, "", fmt.Errorf("%q: %w", s, err)
	}
	for i, c := range m {
		switch c.Code() {
		case multiaddr.P_IP4, multiaddr.P_IP6:
			a, _ := netip.AddrFromSlice(c.RawValue()) // 4 or 16 bytes, by its code
			if i == 0 {
				prefix = netip.PrefixFrom(a, a.BitLen())
			}
		case multiaddr.P_IPCIDR:
			bits, err := strconv.Atoi(c.Value())
			if err != nil || !prefix.IsValid() || bits > prefix.Addr().BitLen() {
				return netip.Prefix{}, "", fmt.Errorf("%q: /ipcidr needs an address before it and at most its bits", s)
			}
			prefix = netip.PrefixFrom(prefix.Addr(), bits)
		case multiaddr.P_P2P:
			peer = c.Value()
		case multiaddr.P_CIRCUIT:
			return netip.Prefix{}, "", fmt.Errorf("%q: the address of a circuit is its relay's; name the relay or the peer by itself", s)
		}
	}
	if !prefix.IsValid() && peer == "" {
		return prefix, "", fmt.Errorf("%q: names neither an ip4 or ip6 address nor a peer; names are never resolved", s)
	}
	if prefix.IsValid() {
		prefix = plain(prefix)
	}
	return prefix, peer, nil
}

// ignoreSet is the ignoreip of one jail.
type ignoreSet struct {
	nets  bart.Lite
	peers map[string]bool
}

// newIgnoreSet expects validated entries.
func newIgnoreSet(entries []string) (*ignoreSet, error) {
	s := &ignoreSet{peers: map[string]bool{}}
	for _, e := range entries {
		prefix, peer, err := ParseIgnore(e)
		if err != nil {
			return nil, err
		}
		if prefix.IsValid() {
			s.nets.Insert(prefix)
		}
		if peer != "" {
			s.peers[strings.Clone(peer)] = true
		}
	}
	return s, nil
}
