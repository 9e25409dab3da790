package attack

import (
	"context"
	"crypto/rand"
	"net"

	"github.com/libp2p/go-libp2p/core/crypto"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/quic-go/quic-go"
)

func quicChurn() Attack {
	return Attack{
		Name: "quic-churn",
		Doc: "churn over QUIC: a new identity and a new UDP port each time, the whole handshake, and gone when " +
			"the node has opened its first stream. go-libp2p prints connection_status=established with an " +
			"address in /quic-v1 for one in a hundred; failed QUIC handshakes it never prints.",
		Run: func(ctx context.Context, p Params, each func(Attempt)) error {
			targets, err := pick(p, overQUIC)
			if err != nil {
				return err
			}
			return pace(ctx, p, targets, each, quicOnce)
		},
	}
}

func quicOnce(ctx context.Context, t target, _ int, a *Attempt) error {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return err
	}
	identity, err := libp2ptls.NewIdentity(key)
	if err != nil {
		return err
	}
	udp, err := listenUDP(t)
	if err != nil {
		return err
	}
	defer udp.Close()
	a.Local = udp.LocalAddr().String()
	ctx, cancel := context.WithTimeout(ctx, serveTimeout)
	defer cancel()
	config, _ := identity.ConfigForPeer(t.peer)
	conn, err := quic.Dial(ctx, udp, net.UDPAddrFromAddrPort(t.addr), config, &quic.Config{HandshakeIdleTimeout: connectTimeout})
	if err != nil {
		return orDeadline(ctx, err)
	}
	defer conn.CloseWithError(0, "")
	_, err = conn.AcceptStream(ctx)
	return err
}
