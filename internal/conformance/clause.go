// Package conformance holds lines against the specification of the canonical
// record (docs/canonical-log.md): which clause a line violates and where, whom
// it accuses, and what a whole output has shown. It is for those who write such
// records; to read them is the parser's work. The two share nothing but the
// judgement which host a multiaddr stands for, so that the tests can hold one
// against the other.
package conformance

// Clause is one rule of the specification, by the name it has there.
type Clause string

// The clauses, in the order of the specification.
const (
	Line       Clause = "line"
	Header     Clause = "header"
	Tag        Clause = "tag"
	Order      Clause = "order"
	Key        Clause = "key"
	Quoting    Clause = "quoting"
	Escape     Clause = "escape"
	Length     Clause = "length"
	Peer       Clause = "peer"
	Addr       Clause = "addr"
	SampleRate Clause = "sample-rate"
	Kind       Clause = "kind"
	Direction  Clause = "direction"
	JSON       Clause = "json"
)

// Clauses gives every clause, in the order of the specification.
func Clauses() []Clause {
	return []Clause{
		Line, Header, Tag, Order, Key, Quoting, Escape, Length,
		Peer, Addr, SampleRate, Kind, Direction, JSON,
	}
}

// Bounds of a conforming record, in bytes. Where they come from is said in the
// specification.
const (
	// MaxLine bounds the line with its newline: PIPE_BUF on Linux (pipe(7)), up
	// to which a write to a pipe is atomic.
	MaxLine = 4096
	// MaxErr bounds err before it is escaped.
	MaxErr = 512
	// MaxAddr, MaxPeer and MaxSource bound these fields.
	MaxAddr   = 512
	MaxPeer   = 128
	MaxSource = 300
	// MaxValue bounds every other value, MaxKey a key.
	MaxValue = 256
	MaxKey   = 64
	// MaxSampleRate bounds what one record may stand for.
	MaxSampleRate = 10000
)

// Victim is the address that the hostile texts of the specification name
// (TEST-NET-1, RFC 5737). No peer has it: a record that accuses it was written
// by the peer, through a hole in the writer's escaping.
const Victim = "192.0.2.254"
