package conformance

import (
	"net/netip"

	"github.com/p2pban/p2pban/parser"
)

// accuses gives the host that readers may hold the record against, or why there
// is none.
func (r *record) accuses() (netip.Addr, string) {
	addr, ok := r.get("addr")
	switch {
	case !ok:
		return netip.Addr{}, parser.NoIP.String()
	case !r.offence():
		return netip.Addr{}, parser.NoRule.String()
	}
	if dir, ok := r.get("dir"); ok && dir.value == "outbound" {
		return netip.Addr{}, parser.Outbound.String()
	}
	host, why := parser.ParseHost(addr.value)
	if _, failed := r.get("handshake_failure"); why == parser.Accepted && !parser.ProvenWay(addr.value, failed) {
		why = parser.Unproven
	}
	if why != parser.Accepted {
		return netip.Addr{}, why.String()
	}
	return host, ""
}

// offence tells whether the kind is one that the specification defines.
func (r *record) offence() bool {
	if hs, ok := r.get("handshake_failure"); ok {
		return hs.value == "noise" || hs.value == "tls"
	}
	return r.kind != kindOther
}
