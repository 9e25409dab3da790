// Package parser reads one log line and says which peer it accuses of what, or
// why it accuses nobody. It is pure: no state, no clock, no files, no
// goroutines. It tokenises from the start of the line and never searches text
// for addresses, because most of a log line's text can be written by a stranger.
//
// What one line can't show, the caller must remember for each log, if anything
// follows from what the lines accuse:
//
//   - Whether the line is the rest of one that a carrier split: Pieces.Settle is
//     called for every line, in order.
//   - Whether strangers can write whole lines into the log: what Result.Risk has
//     shown so far goes into Line.Distrust of the lines that follow.
//   - The latest time seen, as Line.Ref, where stamps have no year or no zone.
package parser

import (
	"net/netip"
	"time"
)

// Line is what the parser is given.
type Line struct {
	// Text is one line without its newline.
	Text string
	// Time is the carrier's own time for the line (journald), or zero.
	Time time.Time
	// Ref completes stamps that carry no year or no zone ("Nov 20 11:30:46"):
	// the latest time known for the stream. Zero means that such a stamp gives
	// no time.
	Ref time.Time
	// Cut says that whoever delivers the line knows it for a piece of a longer
	// one, or had to shorten it; it is then no evidence, but for the beginning of a
	// canonical record. What the line's own carrier tells of pieces is remembered by
	// Pieces.
	Cut bool
	// Head is set with Cut when the text begins where the line does, so that what
	// stands there first is the node's own: of a canonical record everything before
	// the error.
	Head bool
	// Distrust is what the stream has shown (Result.Risk) and the operator has
	// not declared trusted: its events are refused.
	Distrust Risks
}

// Event is one offence by one host.
type Event struct {
	// Time is when the node logged it; zero when neither the line nor its
	// carrier says.
	Time time.Time
	// Rule is the full name of the rule that matched, "go-libp2p/connection".
	Rule string
	// Host is the peer's transport address: unmapped, without a zone, never
	// private unless the parser was told to accept such.
	Host netip.Addr
	// Addr is the multiaddr (or other form) Host was taken from.
	Addr string
	// Port is the peer's port and Transport the way it came, as Addr tells them;
	// 0 where it does not.
	Port      uint16
	Transport Transport
	// Peer is the authenticated peer id, empty when the line has none.
	Peer string
	// Weight is how many events the line stands for: its sample_rate, at least 1.
	Weight int64
	// Text is the whole line. Like every string here it may share the line's
	// memory: clone what you keep.
	Text string
}

// Reject says why a line is no Event. The list is closed; every line that
// looked relevant and was refused is counted under one of these.
type Reject uint8

const (
	// Accepted: the line is an Event.
	Accepted Reject = iota
	// Unrecognised: no record of any known kind. Ordinary log lines; these are
	// not counted as rejected.
	Unrecognised
	// NoRule: a known record that no enabled rule calls an offence.
	NoRule
	// Outbound: a connection our node dialled; the peer chose that address.
	Outbound
	// Relayed: the address names a relay, not the peer.
	Relayed
	// Private: loopback, private, CGNAT, link-local, multicast or unspecified.
	Private
	// NoIP: dns, unix, memory, onion or no address at all.
	NoIP
	// Cut: the carrier split this line or it continues a split one.
	Cut
	// Forged: the record's name stands where the logger does not put it, or
	// the line is built as no node builds it.
	Forged
	// Malformed: the record is genuine in place but damaged: a bad field, an
	// unclosed quote, an address that is no multiaddr.
	Malformed
	// Untrusted: the rule can't be believed on a stream like this one.
	Untrusted
	// Unproven: over UDP a stranger can write anybody's address as his, and the
	// line speaks of a peer before any handshake, or of WebRTC.
	Unproven
)

var rejectNames = [...]string{
	Accepted: "accepted", Unrecognised: "unrecognised", NoRule: "no-rule",
	Outbound: "outbound", Relayed: "relayed", Private: "private", NoIP: "no-ip",
	Cut: "cut", Forged: "forged", Malformed: "malformed", Untrusted: "untrusted",
	Unproven: "unproven",
}

// RejectCount is how many reasons there are, for arrays of counters.
const RejectCount = len(rejectNames)

// String gives the reason as it stands in JSON and in status: "relayed".
func (r Reject) String() string { return rejectNames[r] }
