package parser

import "testing"

// The forms are those that go-libp2p and js-libp2p were seen to log.
func TestTransportOf(t *testing.T) {
	for _, c := range []struct {
		addr string
		port uint16
		way  string
	}{
		{"/ip4/203.0.113.66/tcp/44788", 44788, "tcp"},
		{"/ip6/2001:db8::66/tcp/44788", 44788, "tcp"},
		{"/ip4/203.0.113.66/tcp/44788/ws", 44788, "tcp/ws"},
		{"/ip4/203.0.113.66/tcp/443/wss", 443, "tcp/wss"},
		{"/ip4/203.0.113.66/tcp/443/tls/ws", 443, "tcp/tls/ws"},
		{"/ip4/203.0.113.66/tcp/443/tls/sni/example.com/ws", 443, "other"},
		{"/ip4/203.0.113.66/udp/4001", 4001, "udp"},
		{"/ip4/203.0.113.66/udp/4001/quic", 4001, "udp/quic"},
		{"/ip4/203.0.113.66/udp/4001/quic-v1", 4001, "udp/quic-v1"},
		{"/ip4/203.0.113.66/udp/4001/quic-v1/p2p/12D3KooWA", 4001, "udp/quic-v1"},
		{"/ip4/203.0.113.66/udp/4001/quic-v1/webtransport/certhash/uEiA/certhash/uEiB", 4001, "udp/quic-v1/webtransport"},
		{"/ip4/203.0.113.66/udp/4001/webrtc-direct/certhash/uEiA", 4001, "udp/webrtc-direct"},
		{"/ip4/203.0.113.66", 0, ""},
		{"/ip4/203.0.113.66/", 0, ""},
		{"/ip4/203.0.113.66/tcp", 0, ""},
		{"/ip4/203.0.113.66/tcp/", 0, ""},
		{"/ip4/203.0.113.66/tcp/x", 0, ""},
		{"/ip4/203.0.113.66/tcp/99999", 0, ""},
		{"/ip4/203.0.113.66/sctp/1", 0, ""},
		{"/dns4/example.com/tcp/4001", 0, ""},
		{"203.0.113.66:4001", 0, ""},
		{"", 0, ""},
	} {
		port, way := TransportOf(c.addr)
		if port != c.port || way.String() != c.way {
			t.Errorf("%q: got %d %q, want %d %q", c.addr, port, way, c.port, c.way)
		}
	}
}
