package attack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
)

const (
	// honestRate is per second, for all sources together.
	honestRate = 1
	// honestTimeout is what a peer may wait for a node: go-libp2p gives a dial
	// 15 s and identify 5 s.
	honestTimeout = 15 * time.Second
)

func honest() Attack {
	return Attack{
		Name: "honest",
		Doc: "No attack: a whole go-libp2p host with a new identity connects, asks for identify, pings once and " +
			"goes, once a second for all sources together. go-libp2p admits 0.2 connections a second from " +
			"one IPv4 address (16 at once), so give it one source for each 0.2 of its rate.",
		Run: func(ctx context.Context, p Params, each func(Attempt)) error {
			if p.Rate == 0 {
				p.Rate = honestRate
			}
			targets, err := pick(p, overTCP, overQUIC)
			if err != nil {
				return err
			}
			return pace(ctx, p, targets, each, honestOnce)
		},
	}
}

func honestOnce(ctx context.Context, t target, _ int, a *Attempt) error {
	h, err := newPeer(t.source)
	if err != nil {
		return err
	}
	defer h.Close()
	a.At = time.Now()
	ctx, cancel := context.WithTimeout(ctx, honestTimeout)
	defer cancel()
	if err := visit(ctx, h, t, a); err != nil {
		return orDeadline(ctx, err)
	}
	return nil
}

// visit does what an honest peer does first.
func visit(ctx context.Context, h host.Host, t target, a *Attempt) error {
	// Connect returns when identify has ended, well or not.
	if err := h.Connect(ctx, peer.AddrInfo{ID: t.peer, Addrs: []multiaddr.Multiaddr{t.multi}}); err != nil {
		return err
	}
	if conns := h.Network().ConnsToPeer(t.peer); len(conns) > 0 {
		a.Local = localEnd(conns[0])
	}
	if protocols, err := h.Peerstore().GetProtocols(t.peer); err != nil || len(protocols) == 0 {
		return errors.New("identify told no protocols")
	}
	select {
	case r, ok := <-ping.Ping(ctx, h, t.peer):
		if !ok {
			return errors.New("ping ended without an answer")
		}
		return r.Error
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newPeer makes a host that listens nowhere and dials from source over TCP
// and QUIC.
func newPeer(source netip.Addr, more ...libp2p.Option) (host.Host, error) {
	var overTCP []any
	var overQUIC []quicreuse.Option
	if source.IsValid() {
		dialer := &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))}
		overTCP = append(overTCP, tcp.WithDialerForAddr(
			func(multiaddr.Multiaddr) (tcp.ContextDialer, error) { return dialer, nil }))
		overQUIC = append(overQUIC, quicreuse.OverrideListenUDP(
			func(network string, _ *net.UDPAddr) (net.PacketConn, error) {
				return net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0)))
			}))
	}
	h, err := libp2p.New(append([]libp2p.Option{
		libp2p.NoListenAddrs,
		libp2p.DisableMetrics(),
		libp2p.Transport(tcp.NewTCPTransport, overTCP...),
		libp2p.Transport(quic.NewTransport),
		libp2p.QUICReuse(quicreuse.NewConnManager, overQUIC...),
	}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("a peer at %s: %w", source, err)
	}
	return h, nil
}

// localEnd gives the socket address of our end of a connection, or "".
func localEnd(c network.Conn) string {
	at, err := socket(c.LocalMultiaddr())
	if err != nil {
		return ""
	}
	return at.String()
}
