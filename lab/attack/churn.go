package attack

import (
	"context"
	"crypto/rand"
	"net"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	manet "github.com/multiformats/go-multiaddr/net"
)

func churn() Attack {
	return Attack{
		Name: "churn",
		Doc: "Connects over TCP with a new identity each time, finishes the noise and yamux handshakes, " +
			"waits until the node opens its first stream (identify) and goes. go-libp2p prints " +
			"connection_status=established dir=inbound for one in a hundred.",
		Run: runChurn,
	}
}

// slowRate is half of what go-libp2p's resource manager has admitted since
// v0.42 from one IPv4 address: 0.2 connections a second.
const slowRate = 0.1

func slowChurn() Attack {
	return Attack{
		Name: "slow-churn",
		Doc: "churn at 0.1 connections a second unless told otherwise: half of what go-libp2p's resource " +
			"manager admits from one IPv4 address (0.2 a second since v0.42), so that the node refuses none.",
		Run: func(ctx context.Context, p Params, each func(Attempt)) error {
			if p.Rate == 0 {
				p.Rate = slowRate
			}
			return runChurn(ctx, p, each)
		},
	}
}

func natMix() Attack {
	return Attack{
		Name: "nat-mix",
		Doc: "churn by one of several hosts behind one address; the honest ones beside it are the lab's to " +
			"place. Who bans that address bans them all.",
		Run: runChurn,
	}
}

func runChurn(ctx context.Context, p Params, each func(Attempt)) error {
	targets, err := pick(p, overTCP)
	if err != nil {
		return err
	}
	return pace(ctx, p, targets, each, churnOnce)
}

func churnOnce(ctx context.Context, t target, _ int, a *Attempt) error {
	tcp, err := dialTCP(ctx, t, a)
	if err != nil {
		return err
	}
	defer tcp.Close()
	ctx, cancel := context.WithTimeout(ctx, serveTimeout)
	defer cancel()
	conn, err := upgrade(ctx, tcp, t)
	if err != nil {
		return orDeadline(ctx, err)
	}
	defer conn.Close()
	return firstStream(ctx, conn)
}

// upgrade makes a libp2p connection of a bare one, as a peer with a new key.
func upgrade(ctx context.Context, c net.Conn, t target) (network.MuxedConn, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	security, err := noise.New(noise.ID, key, muxers)
	if err != nil {
		return nil, err
	}
	up, err := upgrader.New([]sec.SecureTransport{security}, muxers, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	conn, err := manet.WrapNetConn(c)
	if err != nil {
		return nil, err
	}
	return up.Upgrade(ctx, nil, conn, network.DirOutbound, t.peer, &network.NullScope{})
}

// firstStream waits for the stream that every node opens on a new connection
// to ask who has come. Only then has it spent on the peer what it spends on
// anyone: whoever sends the last message of a handshake does not learn what
// becomes of it.
func firstStream(ctx context.Context, c network.MuxedConn) error {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	_, err := c.AcceptStream()
	return orDeadline(ctx, err)
}
