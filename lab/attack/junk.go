package attack

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/multiformats/go-varint"
)

func handshakeJunk() Attack {
	return Attack{
		Name: "handshake-junk",
		Doc: "Connects over TCP and sends no handshake: noise or TLS chosen and then junk or nothing, an HTTP " +
			"request, random bytes, a length that is none. Served means that the node answered with a byte. " +
			"go-libp2p prints handshake_failure=noise or tls for one in a hundred of those that chose one, and " +
			"nothing at all for the others (upgrader=debug would); rust-libp2p prints the first two kinds " +
			"and the last.",
		Run: func(ctx context.Context, p Params, each func(Attempt)) error {
			targets, err := pick(p, overTCP)
			if err != nil {
				return err
			}
			return pace(ctx, p, targets, each, func(ctx context.Context, t target, n int, a *Attempt) error {
				tcp, err := dialTCP(ctx, t, a)
				if err != nil {
					return err
				}
				defer tcp.Close()
				return throw(tcp, junk(p.Seed, n))
			})
		},
	}
}

// throw sends junk and its end, and reads what comes back.
func throw(c *net.TCPConn, junk []byte) error {
	if err := c.SetDeadline(time.Now().Add(serveTimeout)); err != nil {
		return err
	}
	if _, err := c.Write(junk); err != nil {
		return err
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	return answered(io.Copy(io.Discard, c))
}

// answered judges what was read of a node until it ended the connection: one
// byte shows that it took the trouble, however it ended.
func answered(n int64, err error) error {
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.EOF
	}
	return err
}

// junk gives what attempt number n says in place of a handshake. The kinds
// are those of strangers seen in the wild; their order is that of Doc.
func junk(seed int64, n int) []byte {
	r := rand.New(rand.NewPCG(uint64(seed), uint64(n)))
	noise := make([]byte, 96)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	hello := token("/multistream/1.0.0")
	switch n % 6 {
	case 0: // a noise frame, two bytes of length first, that is no key
		return append(append(hello, token("/noise")...), append([]byte{0, byte(len(noise))}, noise...)...)
	case 1:
		return append(append(hello, token("/tls/1.0.0")...), make([]byte, 40)...)
	case 2:
		return append(hello, token("/noise")...)
	case 3: // longer than its first byte, read as a length, says
		return []byte("GET / HTTP/1.1\r\nHost: node.example\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\nConnection: close\r\n\r\n")
	case 4:
		return noise
	default: // zero in two bytes
		return []byte{0x80, 0x00, 0x00, 0x00}
	}
}

// token makes a message of multistream-select 1.0: its length as a varint,
// the text and a newline.
func token(text string) []byte {
	return append(varint.ToUvarint(uint64(len(text)+1)), text+"\n"...)
}
