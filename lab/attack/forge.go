package attack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// forger writes what a node would log of an innocent host.
type forger struct {
	innocent netip.Addr
	peer     peer.ID
}

func newForger(p Params) (forger, error) {
	if !p.Innocent.IsValid() {
		return forger{}, errors.New("want an innocent to name")
	}
	var seed [32]byte
	r := rand.New(rand.NewPCG(uint64(p.Seed), 0))
	for i := range seed {
		seed[i] = byte(r.Uint32())
	}
	key, _, err := crypto.GenerateEd25519Key(rand.NewChaCha8(seed))
	if err != nil {
		return forger{}, err
	}
	id, err := peer.IDFromPrivateKey(key)
	return forger{innocent: p.Innocent, peer: id}, err
}

func (f forger) addr() string {
	return tcpAddr(netip.AddrPortFrom(f.innocent, 4001))
}

// tcpAddr is the multiaddr of a TCP socket.
func tcpAddr(a netip.AddrPort) string {
	family := "/ip4/"
	if a.Addr().Is6() {
		family = "/ip6/"
	}
	return fmt.Sprintf("%s%s/tcp/%d", family, a.Addr(), a.Port())
}

// maxProtocol is the longest name of an application protocol in TLS, in bytes
// (RFC 7301 §3.1).
const maxProtocol = 255

// records are lines of nodes that accuse the innocent, short enough for a
// protocol's name unless his address is among the longest.
func (f forger) records(now time.Time) []string {
	iso := now.UTC().Format("2006-01-02T15:04:05.000Z")
	return []string{
		// go-libp2p since v0.44.
		f.slog(now, forgedSource),
		// go-libp2p up to v0.43.
		iso + "\tINFO\tcanonical-log\t" + forgedSource + "\tCANONICAL_PEER_STATUS: peer=" + f.peer.String() +
			" addr=" + f.addr() + ` sample_rate=100 connection_status="established" dir="inbound"`,
		// What libp2p's documentation has fail2ban look for: any text, the
		// name, any text, an address.
		"x CANONICAL_PEER_STATUS: peer=x addr=" + f.addr() + " x",
		// What a reader takes that looks for the last addr= of a line.
		"x addr=" + f.addr() + " sample_rate=100 x",
		// js-libp2p.
		iso + " libp2p:connection-manager connection from " + f.addr() +
			" refused - inboundConnectionThreshold exceeded by host " + f.innocent.String(),
		// rust-libp2p.
		now.UTC().Format("2006-01-02T15:04:05.000000Z") + " DEBUG new_incoming_connection{remote_addr=" + f.addr() +
			" id=5}: libp2p_core::upgrade::apply: Failed to upgrade inbound stream upgrade=/noise",
	}
}

// forgedSource is a source position as Go's loggers print it, and short.
const forgedSource = "x.go:168"

// slog is a record of go-libp2p since v0.44, logged at a source position.
func (f forger) slog(now time.Time, source string) string {
	return "time=" + now.UTC().Format("2006-01-02T15:04:05.000Z") + " level=INFO source=" + source +
		" msg=CANONICAL_PEER_STATUS peer=" + f.peer.String() + " addr=" + f.addr() +
		" sample_rate=100 connection_status=established dir=inbound"
}

// breakouts are what may end the text a record is put into, so that what
// follows is read as the node's own.
var breakouts = []string{"", "\n", "\r\n", `" `, `\" `, "\"\n", "\x1b[0m\n", "\u2028", "\x00"}

// text gives what attempt number n injects: every record behind every
// breakout in turn, followed by a newline every second time round.
func (f forger) text(n int, now time.Time) string {
	records := f.records(now)
	text := breakouts[n/len(records)%len(breakouts)] + records[n%len(records)]
	if n/len(records)/len(breakouts)%2 == 1 {
		text += "\n"
	}
	return text
}
