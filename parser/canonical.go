package parser

import "strings"

// The names of go-libp2p's canonical records (p2p/canonicallog from v0.44,
// core/canonicallog before; libp2p/specs#424).
const (
	tagStatus      = "CANONICAL_PEER_STATUS"
	tagMisbehaving = "CANONICAL_MISBEHAVING_PEER"
	tagPrefix      = "CANONICAL_"
)

func isCanonicalTag(s string) bool { return s == tagStatus || s == tagMisbehaving }

// hasCanonicalText tells whether a canonical record's name stands anywhere in s.
func hasCanonicalText(s string) bool {
	for {
		i := strings.Index(s, tagPrefix)
		if i < 0 {
			return false
		}
		s = s[i:]
		if strings.HasPrefix(s, tagStatus) || strings.HasPrefix(s, tagMisbehaving) {
			return true
		}
		s = s[len(tagPrefix):]
	}
}

// malformedOrForged is the reason for a line that can't be read to its end:
// when it names a canonical record it is either damaged or made to deceive.
func malformedOrForged(s string) Reject {
	if hasCanonicalText(s) {
		return Forged
	}
	return Malformed
}

// isSource tells whether s is a position in any language: "src/pool.rs:490", of
// at most MaxSource bytes.
func isSource(s string) bool {
	colon := strings.LastIndexByte(s, ':')
	if colon <= 0 || len(s) > MaxSource {
		return false
	}
	n, ok := digits(s[colon+1:])
	return ok && n > 0
}

// isGoSource tells whether s is a position as Go's loggers write it:
// "dir/file.go:168", a whole path, of at most MaxSource bytes.
func isGoSource(s string) bool {
	return isSource(s) && strings.HasSuffix(s[:strings.LastIndexByte(s, ':')], ".go")
}

// checkCanonical holds a canonical record's fields to the order and the
// characters in which go-libp2p writes them: peer, addr, sample_rate and then
// pairs, or peer, addr, component, err, msg. at is where the record's name
// stands.
func checkCanonical(res *Result, at int) bool {
	f := res.Record.Fields
	if len(f) < 3 || f[0].Key != "peer" || f[1].Key != "addr" && f[1].Key != "net_addr" {
		return res.fail(Forged, at, "the record's fields are not peer, addr, …")
	}
	if !isPeerID(f[0].Value) && f[0].Value != "" {
		return res.fail(Forged, at, "peer is no peer id")
	}
	for i := range f {
		for j := range i {
			if f[i].Key == f[j].Key {
				return res.fail(Forged, at, "a field stands twice")
			}
		}
	}
	if res.Record.Tag == tagStatus {
		if f[2].Key != "sample_rate" || f[1].Key != "addr" {
			return res.fail(Forged, at, "addr is not followed by sample_rate")
		}
		return true
	}
	if len(f) != 5 || f[2].Key != "component" || f[3].Key != "err" || f[4].Key != "msg" {
		return res.fail(Forged, at, "addr is not followed by component, err and msg")
	}
	return true
}

// Status is what a canonical record says of its connection beside the event: the
// record's name, and its fields connection_status, dir and handshake_failure.
type Status struct {
	Tag, Connection, Direction, Failure string
	// Failed is set when there is a handshake_failure.
	Failed bool
}

// Status is what the record says of its connection; it shares the line's memory.
func (r *Record) Status() (st Status) {
	st.Tag = r.Tag
	st.Connection, _ = r.Get("connection_status")
	st.Direction, _ = r.Get("dir")
	st.Failure, st.Failed = r.Get("handshake_failure")
	return st
}

// minPeer is the least length of what is taken for a peer id, in bytes.
const minPeer = 8

// isPeerID tells whether s is made like a peer id: base58, of a length that a
// multihash of a key has. It stops text, not impostors; the node has checked
// the key.
func isPeerID(s string) bool {
	if len(s) < minPeer || len(s) > MaxPeer {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case '1' <= c && c <= '9', 'A' <= c && c <= 'Z' && c != 'I' && c != 'O', 'a' <= c && c <= 'z' && c != 'l':
		default:
			return false
		}
	}
	return true
}
