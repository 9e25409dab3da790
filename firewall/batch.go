package firewall

import (
	"encoding/binary"
	"io"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// batch is what one send gives the kernel: netlink messages one after the
// other, between one that begins the transaction and one that ends it.
//
// The nftables library encodes all of them but those with elements. It would
// make half a dozen small slices for each element and copy them again and
// again: 0.35 µs a ban, most of it for the garbage collector, of 2.4 µs that a
// ban takes in all (measured with 100,000). Here an element is written once,
// where it is sent from, in a tenth of that.
type batch struct {
	conn     *nftables.Conn // collects into messages, and sends nothing
	messages []netlink.Message

	bytes []byte
	acks  int // how many messages the kernel answers
}

func newBatch(statements []statement) (*batch, error) {
	b := &batch{}
	size := batchOverhead
	for _, st := range statements {
		size += st.size()
	}
	b.bytes = make([]byte, 0, size)
	// The library gives out what it has encoded only to a connection that it
	// thinks a test has dialled. The end of file is the answer to all of it.
	conn, err := nftables.New(nftables.WithTestDial(func(sent []netlink.Message) ([]netlink.Message, error) {
		if len(sent) > 2 {
			b.messages = sent[1 : len(sent)-1] // between its own begin and end
		}
		return nil, io.EOF
	}))
	if err != nil {
		return nil, err
	}
	b.conn = conn
	b.bound(unix.NFNL_MSG_BATCH_BEGIN)
	for _, st := range statements {
		if err := st.encode(b); err != nil {
			return nil, err
		}
		if err := b.collect(); err != nil {
			return nil, err
		}
	}
	b.bound(unix.NFNL_MSG_BATCH_END)
	return b, nil
}

// collect takes over what the library has encoded since the last time.
func (b *batch) collect() error {
	if err := b.conn.Flush(); err != nil {
		return err
	}
	for _, m := range b.messages {
		// The library wants new rules read back to it; the acknowledgement will do.
		start := b.message(uint16(m.Header.Type), m.Header.Flags&^netlink.Echo)
		b.bytes = append(b.bytes, m.Data...)
		b.end(start)
	}
	b.messages = nil
	return nil
}

// send hands the batch to the kernel and reads its answers. The first error is
// the one that tells: the kernel goes on after it, and what follows may fail
// for the same reason.
func (b *batch) send(socket *netlink.Conn) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), b.bytes, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return sent != unix.EAGAIN
	})
	if err == nil {
		err = sent
	}
	for range b.acks {
		if err != nil {
			return err
		}
		_, err = socket.Receive()
	}
	return err
}

// bound begins or ends the transaction (struct nfgenmsg names whose it is).
func (b *batch) bound(kind uint16) {
	start := b.message(kind, netlink.Request)
	b.bytes = append(b.bytes, unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES)
	b.end(start)
}

// message begins a message (struct nlmsghdr, netlink(7)), which end closes.
func (b *batch) message(kind uint16, flags netlink.HeaderFlags) (start int) {
	start = len(b.bytes)
	if flags&netlink.Acknowledge != 0 {
		b.acks++
	}
	b.bytes = binary.NativeEndian.AppendUint32(b.bytes, 0) // its length, by end
	b.bytes = binary.NativeEndian.AppendUint16(b.bytes, kind)
	b.bytes = binary.NativeEndian.AppendUint16(b.bytes, uint16(flags))
	b.bytes = binary.NativeEndian.AppendUint32(b.bytes, uint32(b.acks)) // its number
	b.bytes = binary.NativeEndian.AppendUint32(b.bytes, 0)              // from whom: the kernel knows
	return start
}

// end closes a message, whose data have a length that is a multiple of 4.
func (b *batch) end(start int) {
	binary.NativeEndian.PutUint32(b.bytes[start:], uint32(len(b.bytes)-start))
}

// tableWithComment is a message that adds our table with a comment, which the
// library does not know.
func (b *batch) tableWithComment(comment string) {
	message := b.message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, netlink.Request|netlink.Acknowledge|netlink.Create)
	b.bytes = append(b.bytes, unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0)
	b.attribute(unix.NFTA_TABLE_NAME, tableName)
	b.attribute(tableUserdata, string([]byte{udataComment, byte(len(comment) + 1)})+comment)
	b.end(message)
}

// elements is a message that adds or deletes elements of a set of bans
// (Linux, include/uapi/linux/netfilter/nf_tables.h, enum
// nft_set_elem_list_attributes).
func (b *batch) elements(kind uint16, flags netlink.HeaderFlags, id setID, elements []element) {
	message := b.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags|netlink.Request|netlink.Acknowledge)
	b.bytes = append(b.bytes, unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0)
	b.attribute(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
	b.attribute(unix.NFTA_SET_ELEM_LIST_SET, id.String())
	list := b.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
	for i := range elements {
		b.element(id, &elements[i])
	}
	b.endNest(list)
	b.end(message)
}

func (b *batch) element(id setID, e *element) {
	one := b.nest(unix.NFTA_LIST_ELEM)
	key := b.nest(unix.NFTA_SET_ELEM_KEY)
	value := b.nest(unix.NFTA_DATA_VALUE)
	b.bytes = append(b.bytes, e.key[:id.addrBits()/8]...)
	b.endNest(value)
	b.endNest(key)
	if e.timeout > 0 {
		timeout := b.nest(unix.NFTA_SET_ELEM_TIMEOUT)
		b.bytes = binary.BigEndian.AppendUint64(b.bytes, uint64(e.timeout.Milliseconds()))
		b.endNest(timeout)
	}
	b.endNest(one)
}

// nest begins an attribute (struct nlattr), which endNest closes.
func (b *batch) nest(kind uint16) (start int) {
	start = len(b.bytes)
	b.bytes = binary.NativeEndian.AppendUint16(b.bytes, 0)
	b.bytes = binary.NativeEndian.AppendUint16(b.bytes, kind)
	return start
}

// endNest closes an attribute, whose value has a length that is a multiple of 4.
func (b *batch) endNest(start int) {
	binary.NativeEndian.PutUint16(b.bytes[start:], uint16(len(b.bytes)-start))
}

// attribute adds a string, ended and padded with zeros.
func (b *batch) attribute(kind uint16, value string) {
	start := b.nest(kind)
	b.bytes = append(b.bytes, value...)
	b.bytes = append(b.bytes, 0)
	b.endNest(start)
	for len(b.bytes)%unix.NLA_ALIGNTO != 0 {
		b.bytes = append(b.bytes, 0)
	}
}
