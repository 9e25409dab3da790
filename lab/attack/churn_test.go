package attack

import (
	"net/netip"
	"testing"
)

func TestChurn(t *testing.T) {
	n := startNode(t)
	for _, from := range []netip.Addr{hostile, hostile6} {
		p := n.params()
		p.Sources = []netip.Addr{from}
		line, attempts := n.until(t, "churn", p,
			contains("msg=CANONICAL_PEER_STATUS", "/tcp/", "connection_status=established", "dir=inbound"), nil)
		accuses(t, line, "go-libp2p/connection", from)
		if served(attempts) == 0 {
			t.Errorf("of %d attempts from %s none was served: %+v", len(attempts), from, attempts[:1])
		}
	}
}
