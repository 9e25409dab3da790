// Package jail judges: events go in with their times, decisions come out. It
// is a state machine without a goroutine, a file, a socket or a clock; one
// caller owns it. The same events give the same decisions, byte for byte.
package jail

import (
	"net/netip"
	"time"
)

// Forever is a BanTime without an end.
const Forever time.Duration = -1

// Action is what a Decision does.
type Action uint8

const (
	// Ban puts a prefix out.
	Ban Action = iota
	// Unban lets it in again.
	Unban
	// Held is a ban that the eclipse guard stopped: it changes nothing, and
	// names a host that would have been banned. See Guard.
	Held
)

var actionNames = [...]string{Ban: "ban", Unban: "unban", Held: "held"}

// String is the word in JSON: "ban", "unban" or "held".
func (a Action) String() string { return actionNames[a] }

// Manual is the name of the jail that holds bans made by hand.
const Manual = "manual"

// Decision is one ban or unban, or one ban that was held back. All times are
// UTC.
type Decision struct {
	Action Action
	Jail   string
	// Host is the address judged; for a prefix, the one whose event decided.
	// It is not valid for a ban by hand of more than one address.
	Host netip.Addr
	// Prefix is masked; a single address is a /32 or a /128.
	Prefix netip.Prefix
	// At is when the decision holds from (for an Unban: from when the prefix
	// is let in). Until is when the ban ends, zero for a ban for ever and for
	// an unban. A ban is in force for At <= now < Until.
	At, Until time.Time
	// Failures is the weighted count that reached maxretry.
	Failures int64
	Evidence Evidence
}

// Evidence is what a ban rests on; all of it is bounded.
type Evidence struct {
	// Rules counts lines (not weights) by full rule name.
	Rules map[string]int
	// First and Last are the times of the earliest and latest event counted.
	First, Last time.Time
	// Peers are authenticated peer ids seen, sorted, at most MaxEvidencePeers;
	// PeerCount is how many distinct ones the events counted had.
	Peers     []string
	PeerCount int
	// Ports are the host's source ports seen, in ascending order, at most
	// MaxEvidencePorts.
	Ports []uint16
	// Transports are the distinct ways the host came, as in its multiaddr
	// after the address and without the port, sorted: "tcp", "udp/quic-v1".
	Transports []string
	// Line is the deciding line, at most MaxEvidenceLine bytes.
	Line string
	// Reason is the operator's text for a ban by hand.
	Reason string
	// Folded counts the single bans that a ban of a network took in (widen).
	Folded int
}

// Bounds of Evidence.
const (
	// MaxEvidenceLine bounds the deciding line kept with a ban, in bytes.
	MaxEvidenceLine = 1024
	// MaxEvidencePeers bounds the peer ids kept with a ban.
	MaxEvidencePeers = 8
	// MaxEvidencePorts bounds the ports kept with a ban.
	MaxEvidencePorts = 16
	// MaxReason bounds the operator's text, in bytes.
	MaxReason = 256
)
