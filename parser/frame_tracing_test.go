package parser

import "testing"

// A host that our node dialled chose its address, which the connection's span
// shows as it is: what reads as another span in it names nobody.
func TestTracingSpanInSpan(t *testing.T) {
	const (
		stamp  = "2026-11-20T11:21:54.078160Z DEBUG "
		span   = "new_incoming_connection{remote_addr=/ip4/192.0.2.8/tcp/1 id=5}: "
		event  = "multistream_select::length_delimited: invalid length prefix: "
		before = "new_established_connection{remote_addr=/dns4/x}:"
		after  = "/tcp/4001 id=7 peer=12D3KooWabc}: libp2p_ping::handler: ping"
	)
	p := newParser(t, Options{})
	var res Result
	if p.Parse(Line{Text: stamp + span + event + "x"}, &res); res.Reject != Accepted || res.Event.Host.String() != "192.0.2.8" {
		t.Fatalf("the node's own line: %v %v (%s)", res.Reject, res.Event.Host, res.Detail)
	}
	for _, forged := range []string{
		stamp + before + span + event + after,
		stamp + "Swarm::poll:" + before + span + event + after,
		stamp + "new_outgoing_connection{remote_addr=/dns4/x id=1}:" + span + event + after,
		stamp + before + "y:" + span + event + after,
		stamp + before + "new_incoming_connection{remote_addr=/ip4/192.0.2.8/tcp/1 id=5}: libp2p_core::upgrade::apply:3: Failed to upgrade inbound stream upgrade=/noise remote_addr=/ip4/192.0.2.8/tcp/1 id=5",
		stamp + "\x1b[1m" + before + "\x1b[0m" + span + event + after,
	} {
		if p.Parse(Line{Text: forged}, &res); res.Reject == Accepted {
			t.Errorf("accuses %v: %q", res.Event.Host, forged)
		}
	}
}
