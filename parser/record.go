package parser

import "time"

// Bounds of what is read from one line. Genuine lines stay far below; what
// exceeds one is refused as Malformed or Forged.
const (
	// MaxFields bounds the key=value pairs of one record.
	MaxFields = 64
	// MaxKey bounds one key, in bytes.
	MaxKey = 128
	// MaxAddr bounds a multiaddr, in bytes. The longest genuine one seen
	// (webtransport with two certificate hashes and a peer id) has 230.
	MaxAddr = 512
	// MaxSource bounds a source position ("/build/path/file.go:168"), in bytes.
	// A forger who is given whole lines by a splitting carrier hides his
	// padding here; the longest genuine one seen has 110.
	MaxSource = 300
	// MaxLogger bounds a logger's name or module path, in bytes. js-libp2p nests
	// a name for each stream of a relayed connection and reaches 190.
	MaxLogger = 300
	// MaxComponent bounds the unquoted component of a misbehaving-peer record of
	// go-libp2p up to v0.43, in bytes; it is a constant in the node's code.
	MaxComponent = 128
	// MaxPeer bounds a peer id, in bytes; the identity-hashed ones have 52 or 53.
	MaxPeer = 128
	// MaxWeight bounds what one line may count for. go-libp2p's sample rate is
	// the literal 100 at every call site of every release.
	MaxWeight = 10000
)

// Record is a framed line: what the logger was told, before any rule.
type Record struct {
	// Time is when the node logged it, in UTC: the line's own full stamp, else
	// its carrier's. Zero when neither says.
	Time time.Time
	// Level is as written, without colour: "INFO", "warn", "DEBG".
	Level string
	// Logger is the logger's name, module path, target or namespace; for
	// weald without the instance prefix an application may put before it.
	Logger string
	// Source is the code position ("swarm/swarm_listen.go:168"), if any.
	Source string
	// Span is the innermost tracing span's name, if any.
	Span string
	// Tag is the canonical record's name ("CANONICAL_PEER_STATUS") when the
	// line is one, in the place and shape the logger gives it.
	Tag string
	// Message is the text; empty when there is a Tag. In the tracing text
	// formats it includes what follows it, as the format does not mark its end.
	Message string
	// Fields are the key=value pairs in order.
	Fields []Field
}

// Field is one pair of a Record.
type Field struct {
	// Scope is the name of the span the field belongs to, "" for the record's own.
	Scope string
	Key   string
	// Value is decoded: without its quotes and escapes.
	Value string
}

// Get gives the first field of the record's own called key.
func (r *Record) Get(key string) (string, bool) { return r.Scoped("", key) }

// Scoped gives the first field called key that belongs to the span scope.
func (r *Record) Scoped(scope, key string) (string, bool) {
	for i := range r.Fields {
		if r.Fields[i].Key == key && r.Fields[i].Scope == scope {
			return r.Fields[i].Value, true
		}
	}
	return "", false
}

// repeated tells whether key stands more than once in scope.
func (r *Record) repeated(scope, key string) bool {
	n := 0
	for i := range r.Fields {
		if r.Fields[i].Key == key && r.Fields[i].Scope == scope {
			n++
		}
	}
	return n > 1
}
