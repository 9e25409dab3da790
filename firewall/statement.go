package firewall

import (
	"net/netip"
	"time"
)

// statement is one line of an nft script, and at the same time what is sent
// for it over netlink: text.go renders it, netlink.go sends it.
type statement interface {
	// appendText appends the statement as nft reads it, newline included.
	appendText(b []byte) []byte
	// encode adds the statement's messages to the batch.
	encode(b *batch) error
	// size is an upper bound of the bytes encode adds.
	size() int
}

type (
	addTable    struct{ comment string } // empty: none
	deleteTable struct{}
	// addSet makes a set of bans, or leaves the one that stands. In a counted
	// one every element counts the packets it matched.
	addSet struct {
		id      setID
		counted bool
	}
	// addPorts and addProtocols make and fill the sets a rule may refer to.
	addPorts     struct{ ports []uint16 }
	addProtocols struct{ protocols []Protocol }
	addChain     struct{ chain chain }
	flushChain   struct{ chain chain }
	addRule      struct{ rule rule }
	// addElements and deleteElements hold at most maxElements, all of the set.
	// To create fails with EEXIST if one of them stands.
	addElements struct {
		id       setID
		elements []element
		create   bool
	}
	deleteElements struct {
		id       setID
		elements []element
	}
)

// maxElements is how many elements one statement holds. They go into one netlink
// attribute, whose length is 16 bits: what is more wraps around, and the kernel
// takes the rest for all there is and says nothing.
const maxElements = 1000

// It does not compile where a statement's elements do not fit.
const _ uint16 = maxElements * element6

// element is one member of a set of bans. It holds no pointer, so that a
// million of them cost the garbage collector nothing.
type element struct {
	key     [16]byte      // the prefix's first address; IPv4 has the first four bytes
	timeout time.Duration // zero: permanent
}

func newElement(a netip.Addr) (e element) {
	copy(e.key[:], a.AsSlice())
	return e
}

func (s setID) addrOf(e element) netip.Addr {
	if s.v6 {
		return netip.AddrFrom16(e.key)
	}
	return netip.AddrFrom4([4]byte(e.key[:4]))
}

// transaction is one atomic change of the firewall, as a value: String is the
// script nft would take for it, and the backends send the same value to the
// kernel. It is made by a backend from bans, never by hand.
type transaction struct {
	statements []statement
	// steps are the statements' indexes at which the transaction may be cut in
	// two when the kernel's socket buffer cannot take it whole, in order.
	steps []int
}

// String returns the transaction as an nft script.
func (t transaction) String() string { return string(t.AppendText(nil)) }

// AppendText appends the transaction as an nft script.
func (t transaction) AppendText(b []byte) []byte {
	for _, s := range t.statements {
		b = s.appendText(b)
	}
	return b
}

// add appends statements that must not be torn apart.
func (t *transaction) add(s ...statement) {
	t.steps = append(t.steps, len(t.statements))
	t.statements = append(t.statements, s...)
}
