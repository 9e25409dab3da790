package attack

import (
	"net/netip"
	"testing"
)

func TestHandshakeJunk(t *testing.T) {
	n := startNode(t)
	p := n.params()
	p.Sources = []netip.Addr{hostile}
	for _, kind := range []string{
		`handshake_failure=noise err="error reading handshake message: `,
		`handshake_failure=tls err="tls: first record does not look like a TLS handshake"`,
	} {
		line, _ := n.until(t, "handshake-junk", p, contains("msg=CANONICAL_PEER_STATUS", "/tcp/", kind), nil)
		accuses(t, line, "go-libp2p/handshake", hostile)
	}
}

func TestWebSocketJunk(t *testing.T) {
	n := startNode(t)
	line, _ := n.until(t, "ws-junk", n.params(),
		contains("msg=CANONICAL_PEER_STATUS", "/ws ", "handshake_failure="), nil)
	accuses(t, line, "go-libp2p/handshake", hostile)
}

func TestJunkIsTheSameForASeed(t *testing.T) {
	for n := range 12 {
		if a, b := junk(1, n), junk(1, n); string(a) != string(b) {
			t.Errorf("junk %d differs: %x and %x", n, a, b)
		}
	}
	if string(junk(1, 4)) == string(junk(2, 4)) {
		t.Error("two seeds make the same random bytes")
	}
}
