package attack

import "testing"

func TestQUICChurn(t *testing.T) {
	n := startNode(t)
	line, _ := n.until(t, "quic-churn", n.params(),
		contains("msg=CANONICAL_PEER_STATUS", "/quic-v1 ", "connection_status=established", "dir=inbound"), nil)
	accuses(t, line, "go-libp2p/connection", hostile)
}
