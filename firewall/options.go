package firewall

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Protocol is a transport protocol by its number (IANA protocol numbers).
type Protocol uint8

// The transports libp2p runs over. QUIC, WebTransport and WebRTC are UDP.
const (
	TCP Protocol = unix.IPPROTO_TCP
	UDP Protocol = unix.IPPROTO_UDP
)

// ParseProtocol reads "tcp" or "udp".
func ParseProtocol(s string) (Protocol, error) {
	switch s {
	case "tcp":
		return TCP, nil
	case "udp":
		return UDP, nil
	}
	return 0, fmt.Errorf("protocol %q: want tcp or udp", s)
}

func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return fmt.Sprint(uint8(p))
}

// Options says what a banned host is kept from. The zero value is everything,
// on every port, and is what most want.
type Options struct {
	// Ports are the node's ports; empty means all. With ports, packets from a
	// banned host to them and from them to a banned host are dropped, others pass.
	Ports []uint16
	// Protocols restricts the drop; empty means all, or TCP and UDP when Ports
	// are given.
	Protocols []Protocol
	// KillSockets destroys the sockets that are connected to a host when its
	// ban is installed, so that the node frees the connection at once.
	KillSockets bool
	// NodeNetNS is the network namespace whose sockets KillSockets destroys, as
	// a file such as /proc/4242/ns/net, for a node in a container; empty means
	// ours.
	NodeNetNS string
	// Exclusive keeps two processes from working on one table: Init fails with
	// ErrOwned while another process that set it keeps our table, in this network
	// namespace. NFTables (on Linux 5.10 and later) and IPTables know it, each
	// for itself.
	Exclusive bool
	// Now tells the time, to turn the end of a ban into a kernel timeout; nil
	// means time.Now.
	Now func() time.Time

	comment string // of the table or the rules; set by claimTable and claimRules
}

func (o Options) protocols() []Protocol {
	if len(o.Protocols) == 0 && len(o.Ports) > 0 {
		return []Protocol{TCP, UDP}
	}
	return o.Protocols
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}
