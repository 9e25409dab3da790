package attack

import (
	"testing"

	"github.com/multiformats/go-multiaddr"
	"github.com/p2pban/p2pban/parser"
)

func TestRelayed(t *testing.T) {
	relay := startNode(t, relayEnv+"=serve")
	at := relay.tcp(t)
	victim := startNode(t, relayEnv+"="+at.String())
	p := victim.params()
	p.Relay = at
	line, _ := victim.until(t, "relayed", p,
		contains("msg=CANONICAL_PEER_STATUS", "/p2p-circuit ", "connection_status=established", "dir=inbound"), nil)
	if r := read(t, line); r.Reject != parser.Relayed {
		t.Errorf("line %s is %s against %s, want %s", line, r.Reject, r.Event.Host, parser.Relayed)
	}
}

// tcp gives the node's first address over TCP.
func (n *node) tcp(t *testing.T) multiaddr.Multiaddr {
	t.Helper()
	targets, err := pick(Params{Targets: n.addrs}, overTCP)
	if err != nil {
		t.Fatal(err)
	}
	return targets[0].multi.Encapsulate(multiaddr.StringCast("/p2p/" + targets[0].peer.String()))
}
