// Package attack holds the attackers of the lab, and the honest peers they are
// measured against. They speak to libp2p nodes over the network only and know
// nothing of p2pban; run as a command they refuse every target that is neither
// on loopback nor in a network namespace made for them.
package attack

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/multiformats/go-multiaddr"
)

// Params are what an attack is told. It runs inside the attacker's network
// namespace.
type Params struct {
	// Targets are the victim's addresses, each ending in /p2p/ID. An attack
	// uses those whose transport it speaks.
	Targets []multiaddr.Multiaddr
	// Relay is a relay the victim has a reservation at, or nil.
	Relay multiaddr.Multiaddr
	// Sources are the local addresses to come from, in turn; empty leaves the
	// choice to the kernel.
	Sources []netip.Addr
	// Innocent is whom injections name. It must not send anything itself.
	Innocent netip.Addr
	// Rate is in attempts per second; 0 means the attack's own pace, which for
	// most is as fast as it goes.
	Rate float64
	// Seed makes what is random in what an attack sends the same in each run.
	Seed int64
}

// Outcome says what became of one attempt, as its sender sees it.
type Outcome string

const (
	// Served: the node did for the attempt what a peer wants of it, or, for
	// junk, read it.
	Served Outcome = "served"
	// Refused: something answered no: a reset, an end, an error.
	Refused Outcome = "refused"
	// Dropped: nothing answered until the attempt's time was up.
	Dropped Outcome = "dropped"
)

// Attempt is one connection tried.
type Attempt struct {
	At time.Time `json:"at"`
	// Local and Remote are IP:port of the two ends. Without a connection Local
	// is the source with port 0, or empty where that was the kernel's choice.
	Local   string  `json:"local"`
	Remote  string  `json:"remote"`
	Outcome Outcome `json:"outcome"`
	// Millis is from the first packet to the outcome.
	Millis float64 `json:"millis"`
	Error  string  `json:"error,omitempty"`
}

// Attack is one way to harm a node. Run ends when ctx does, or with an error
// when the attack cannot be made with these Params. It calls each once for
// every attempt, never twice at the same time.
type Attack struct {
	Name, Doc string
	Run       func(ctx context.Context, p Params, each func(Attempt)) error
}

// outcomeOf tells from an attempt's error what became of it.
func outcomeOf(err error) Outcome {
	var timeout net.Error
	switch {
	case err == nil:
		return Served
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return Dropped
	}
	return Refused
}

// fault tells the errors that lie in the lab's own set-up: going on would
// measure nothing.
func fault(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) ||
		errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EMFILE) || errors.Is(err, fs.ErrPermission)
}
