package firewall

import (
	"context"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Socket buffers, in bytes, asked for with SO_SNDBUFFORCE and SO_RCVBUFFORCE.
// A batch must fit the send buffer whole; a million IPv6 bans are 41 MB. The
// receive buffer takes one acknowledgement a message. Neither is memory until
// it is used. Without CAP_NET_ADMIN in the initial user namespace the kernel
// grants net.core.wmem_max (usually 212992) and transactions are cut to fit.
const (
	sendBuffer    = 256 << 20
	receiveBuffer = 32 << 20
)

// maxMessages is how many acknowledgements an ungrown receive buffer holds
// with room to spare (measured: ENOBUFS comes after 256).
const maxMessages = 128

// netlinkTimeout bounds waiting for the kernel's answer when the caller's
// context has no deadline. The kernel answers before the call that sends
// returns, so it is reached only when an answer was lost.
const netlinkTimeout = 30 * time.Second

// sender sends transactions over a netlink socket it opens when it needs one.
// It is not safe for concurrent use.
type sender struct {
	conn   *nftables.Conn
	socket *netlink.Conn
	limit  int // bytes a batch may have
	forced bool
	opened func(port uint32) // told of every new socket's netlink port
}

// send sends the transaction as one batch if the socket's buffer can take it,
// else as several, in order. After an error the socket is closed: it may hold
// unread answers.
func (s *sender) send(ctx context.Context, tx transaction) error {
	if err := s.open(); err != nil {
		return kernelError("opening a netlink socket", err)
	}
	for _, part := range tx.cut(s.limit, s.messages()) {
		if err := s.flush(ctx, part); err != nil {
			s.close()
			return kernelError("changing nftables", err)
		}
	}
	return nil
}

func (s *sender) flush(ctx context.Context, statements []statement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(netlinkTimeout)
	}
	if err := s.socket.SetDeadline(deadline); err != nil {
		return err
	}
	b, err := newBatch(statements)
	if err != nil {
		return err
	}
	return b.send(s.socket)
}

func (s *sender) open() error {
	if s.conn != nil {
		return nil
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(s.tune))
	if err != nil {
		return err
	}
	s.conn = conn
	s.opened(s.socket.PID())
	return nil
}

func (s *sender) tune(c *netlink.Conn) error {
	s.socket = c
	if err := c.SetWriteBuffer(sendBuffer); err != nil {
		return err
	}
	if err := c.SetReadBuffer(receiveBuffer); err != nil {
		return err
	}
	granted, err := c.WriteBuffer()
	if err != nil {
		return err
	}
	s.forced = granted >= sendBuffer
	s.limit = granted - batchOverhead
	return nil
}

func (s *sender) messages() int {
	if s.forced {
		return receiveBuffer / 1024 // an acknowledgement is charged below 1 KiB
	}
	return maxMessages
}

func (s *sender) close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.CloseLasting()
	s.conn, s.socket = nil, nil
	return err
}

// batchOverhead covers the messages that begin and end a batch and the
// socket's own account of it.
const batchOverhead = 1024

// cut splits the statements into the fewest batches within the limits, at the
// transaction's steps.
func (t transaction) cut(bytes, messages int) [][]statement {
	var parts [][]statement
	start, used, count := 0, 0, 0
	for i, from := range t.steps {
		to := len(t.statements)
		if i+1 < len(t.steps) {
			to = t.steps[i+1]
		}
		size := 0
		for _, st := range t.statements[from:to] {
			size += st.size()
		}
		if from > start && (used+size > bytes || count+to-from > messages) {
			parts = append(parts, t.statements[start:from])
			start, used, count = from, 0, 0
		}
		used += size
		count += to - from
	}
	if start < len(t.statements) {
		parts = append(parts, t.statements[start:])
	}
	return parts
}

func table() *nftables.Table {
	return &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
}

// Sizes in bytes: an upper bound of a small message, and of an element with
// its timeout (headers of 4 bytes each for element, key, value and timeout).
const (
	smallMessage = 512
	element4     = 4 + 4 + 4 + 4 + 4 + 8
	element6     = element4 + 12
)

func (addTable) size() int       { return smallMessage }
func (deleteTable) size() int    { return smallMessage }
func (addSet) size() int         { return smallMessage }
func (s addPorts) size() int     { return 2*smallMessage + 16*len(s.ports) }
func (s addProtocols) size() int { return 2*smallMessage + 16*len(s.protocols) }
func (addChain) size() int       { return smallMessage }
func (flushChain) size() int     { return smallMessage }
func (addRule) size() int        { return 2 * smallMessage }
func (s addElements) size() int  { return elementsSize(s.id, s.elements) }
func (s deleteElements) size() int {
	return elementsSize(s.id, s.elements)
}

func elementsSize(id setID, elements []element) int {
	one := element4
	if id.v6 {
		one = element6
	}
	return smallMessage + one*len(elements)
}

func (s addTable) encode(b *batch) error {
	if s.comment == "" {
		b.conn.AddTable(table())
	} else {
		b.tableWithComment(s.comment)
	}
	return nil
}

func (deleteTable) encode(b *batch) error {
	b.conn.DelTable(table())
	return nil
}

func (s addSet) encode(b *batch) error {
	set := nftSet(s.id)
	set.Counter = s.counted
	return b.conn.AddSet(set, nil)
}

// nftSet describes a set of bans. Its ID, which only has to differ within a
// batch, is ours: the library would take it from an unguarded global.
func nftSet(id setID) *nftables.Set {
	set := &nftables.Set{
		Table:        table(),
		ID:           uint32(id.bits),
		Name:         id.String(),
		KeyType:      nftables.TypeIPAddr,
		HasTimeout:   true,
		KeyByteOrder: binaryutil.BigEndian,
	}
	if id.v6 {
		set.KeyType = nftables.TypeIP6Addr
		set.ID += 1000
	}
	return set
}

func (s addPorts) encode(b *batch) error {
	set := &nftables.Set{Table: table(), ID: 2000, Name: portsSet, KeyType: nftables.TypeInetService, KeyByteOrder: binaryutil.BigEndian}
	var elements []nftables.SetElement
	for _, p := range s.ports {
		elements = append(elements, nftables.SetElement{Key: binaryutil.BigEndian.PutUint16(p)})
	}
	return b.conn.AddSet(set, elements)
}

func (s addProtocols) encode(b *batch) error {
	set := &nftables.Set{Table: table(), ID: 2001, Name: protocolsSet, KeyType: nftables.TypeInetProto}
	var elements []nftables.SetElement
	for _, p := range s.protocols {
		elements = append(elements, nftables.SetElement{Key: []byte{byte(p)}})
	}
	return b.conn.AddSet(set, elements)
}

func nftChain(c chain) *nftables.Chain {
	hook := nftables.ChainHookPrerouting
	if c == output {
		hook = nftables.ChainHookOutput
	}
	policy := nftables.ChainPolicyAccept
	return &nftables.Chain{
		Name:     c.name,
		Table:    table(),
		Type:     nftables.ChainTypeFilter,
		Hooknum:  hook,
		Priority: nftables.ChainPriorityRef(chainPriority),
		Policy:   &policy,
	}
}

func (s addChain) encode(b *batch) error {
	b.conn.AddChain(nftChain(s.chain))
	return nil
}

func (s flushChain) encode(b *batch) error {
	b.conn.FlushChain(nftChain(s.chain))
	return nil
}

func (s addRule) encode(b *batch) error {
	b.conn.AddRule(&nftables.Rule{Table: table(), Chain: nftChain(s.rule.chain), Exprs: s.rule.expressions()})
	return nil
}

// expressions is the rule in the kernel's byte code, as nft itself writes it
// for the line appendText gives.
func (r rule) expressions() []expr.Any {
	const reg = 1
	var e []expr.Any
	if r.protocols {
		e = append(e,
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg},
			&expr.Lookup{SourceRegister: reg, SetName: protocolsSet, SetID: 2001})
	}
	if r.ports {
		// Source and destination port are the first four bytes of TCP and UDP alike.
		offset := uint32(0)
		if r.source {
			offset = 2
		}
		e = append(e,
			&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
			&expr.Lookup{SourceRegister: reg, SetName: portsSet, SetID: 2000})
	}
	// Offsets of the addresses: RFC 791 §3.1, RFC 8200 §3.
	family, offset, length := byte(unix.NFPROTO_IPV4), uint32(16), uint32(4)
	if r.set.v6 {
		family, offset, length = unix.NFPROTO_IPV6, 24, 16
	}
	if r.source {
		offset -= length
	}
	e = append(e,
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{family}},
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length})
	if !r.set.host() {
		e = append(e, &expr.Bitwise{
			SourceRegister: reg, DestRegister: reg, Len: length,
			Mask: r.set.mask().AsSlice(), Xor: make([]byte, length),
		})
	}
	return append(e,
		&expr.Lookup{SourceRegister: reg, SetName: r.set.String(), SetID: nftSet(r.set).ID},
		&expr.Counter{},
		&expr.Verdict{Kind: expr.VerdictDrop})
}

func (s addElements) encode(b *batch) error {
	flags := netlink.Create
	if s.create {
		flags |= netlink.Excl
	}
	b.elements(unix.NFT_MSG_NEWSETELEM, flags, s.id, s.elements)
	return nil
}

func (s deleteElements) encode(b *batch) error {
	b.elements(unix.NFT_MSG_DELSETELEM, 0, s.id, s.elements)
	return nil
}
