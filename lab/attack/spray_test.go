package attack

import "net/netip"

// sprayed gives addresses of one /64.
func sprayed() []netip.Addr {
	var all []netip.Addr
	a := netip.MustParseAddr("2001:db8:66:64::1")
	for range 32 {
		all = append(all, a)
		a = a.Next()
	}
	return all
}
