package attack

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

func wsJunk() Attack {
	return Attack{
		Name: "ws-junk",
		Doc: "The junk of handshake-junk over WebSocket: in one binary message after a proper upgrade, or, " +
			"every fourth time, as bytes that are no frame. go-libp2p prints handshake_failure with an " +
			"address in /ws for one in a hundred of those that chose noise or TLS.",
		Run: func(ctx context.Context, p Params, each func(Attempt)) error {
			targets, err := pick(p, overWS)
			if err != nil {
				return err
			}
			return pace(ctx, p, targets, each, func(ctx context.Context, t target, n int, a *Attempt) error {
				tcp, err := dialTCP(ctx, t, a)
				if err != nil {
					return err
				}
				defer tcp.Close()
				return throwWS(ctx, tcp, t, junk(p.Seed, n), n%4 == 3)
			})
		},
	}
}

func throwWS(ctx context.Context, tcp *net.TCPConn, t target, junk []byte, bare bool) error {
	if err := tcp.SetDeadline(time.Now().Add(serveTimeout)); err != nil {
		return err
	}
	d := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return tcp, nil }}
	ws, _, err := d.DialContext(ctx, "ws://"+t.addr.String()+"/", http.Header{})
	if err != nil {
		return err
	}
	// The dialer has taken the deadline away.
	if err := tcp.SetDeadline(time.Now().Add(serveTimeout)); err != nil {
		return err
	}
	if bare {
		return throw(tcp, junk)
	}
	if err := ws.WriteMessage(websocket.BinaryMessage, junk); err != nil {
		return err
	}
	if err := tcp.CloseWrite(); err != nil {
		return err
	}
	_, message, err := ws.NextReader()
	if err != nil {
		return err
	}
	return answered(io.Copy(io.Discard, message))
}
