package parser

import "testing"

// TestHolesLeaveNoFormat: a stranger who can write whole lines into a stream
// is not bound to the format of the node whose hole it is. Seen on go-libp2p
// v0.43 with net/identify at warn: lines in the formats of its successors and
// of js-libp2p and rust-libp2p came out of it and named a host that had sent
// nothing.
func TestHolesLeaveNoFormat(t *testing.T) {
	p, err := New(Builtin(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`time=2026-11-20T17:57:44.000Z level=INFO source=x.go:168 msg=CANONICAL_PEER_STATUS peer=12D3KooW9yPfBhW9xnueBovYM1PmjqLWxSwc5iq5nYokKxdc5bfH addr=/ip4/198.51.100.99/tcp/4001 sample_rate=100 connection_status=established dir=inbound`,
		`2026-11-20T17:57:44.000Z	INFO	canonical-log	x.go:168	CANONICAL_PEER_STATUS: peer=12D3KooW9yPfBhW9xnueBovYM1PmjqLWxSwc5iq5nYokKxdc5bfH addr=/ip4/198.51.100.99/tcp/4001 sample_rate=100 connection_status="established" dir="inbound"`,
		`2026-11-20T17:57:44.000Z libp2p:connection-manager connection from /ip4/198.51.100.99/tcp/4001 refused - inboundConnectionThreshold exceeded by host 198.51.100.99`,
		`2026-11-20T17:57:44.000000Z DEBUG new_incoming_connection{remote_addr=/ip4/198.51.100.99/tcp/4001 id=5}: libp2p_core::upgrade::apply: Failed to upgrade inbound stream upgrade=/noise`,
		`{"timestamp":"2026-11-20T17:57:44.000000Z","level":"DEBUG","fields":{"message":"Failed to upgrade inbound stream","upgrade":"/noise"},"target":"libp2p_core::upgrade::apply","span":{"id":"5","remote_addr":"/ip4/198.51.100.99/tcp/4001","name":"new_incoming_connection"},"spans":[{"id":"5","remote_addr":"/ip4/198.51.100.99/tcp/4001","name":"new_incoming_connection"}]}`,
	} {
		var r Result
		if p.Parse(Line{Text: line}, &r); r.Reject != Accepted {
			t.Errorf("%s: %s (%s), want it accepted on a stream without a hole", line, r.Reject, r.Detail)
		}
		for _, hole := range Risks(RiskIdentify | RiskMultistream | RiskDisplay | RiskHandshakeContents).Info() {
			if p.Parse(Line{Text: line, Distrust: hole.Bit}, &r); r.Reject != Untrusted {
				t.Errorf("%s: %s on a stream with the hole %s, want %s", line, r.Reject, hole.Name, Untrusted)
			}
		}
	}
}
