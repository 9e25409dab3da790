package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Reading single objects. The nftables library can only list a set whole,
// which takes longer than linear time, so these requests are made here: one
// message, one answer (Linux, include/uapi/linux/netfilter/nf_tables.h).

// nfgenmsg is struct nfgenmsg, with which each request and each answer begins:
// family, version, resource id.
var nfgenmsg = []byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}

// question makes the message that asks for one object.
func question(message uint16, attributes []byte) netlink.Message {
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | message), Flags: netlink.Request},
		Data:   slices.Concat(nfgenmsg, attributes),
	}
}

// answer gives the attributes of the one object that was asked for.
func answer(replies []netlink.Message, err error) (*netlink.AttributeDecoder, error) {
	if err != nil {
		return nil, err
	}
	if len(replies) != 1 || len(replies[0].Data) < len(nfgenmsg) {
		return nil, fmt.Errorf("nftables answered with %d messages, want 1", len(replies))
	}
	d, err := netlink.NewAttributeDecoder(replies[0].Data[len(nfgenmsg):])
	if err != nil {
		return nil, err
	}
	d.ByteOrder = binary.BigEndian
	return d, nil
}

// get asks for one object and returns the attributes of the answer.
func get(conn *netlink.Conn, message uint16, attributes []byte) (*netlink.AttributeDecoder, error) {
	if err := conn.SetDeadline(time.Now().Add(netlinkTimeout)); err != nil {
		return nil, err
	}
	return answer(conn.Execute(question(message, attributes)))
}

// getGeneration asks for the number of the ruleset, the cheapest question
// there is: it shows whether there is an nftables and whether we may talk to it.
func getGeneration(conn *netlink.Conn) error {
	_, err := get(conn, unix.NFT_MSG_GETGEN, nil)
	return err
}

// tableInfo is what is read of our table.
type tableInfo struct {
	flags   uint32
	comment string
}

// The kernel's NFTA_TABLE_USERDATA, and libnftnl's type for a comment in it
// (include/libnftnl/udata.h).
const (
	tableUserdata = 6
	udataComment  = 0
)

// getTable reads our table.
func getTable(conn *netlink.Conn) (info tableInfo, err error) {
	e := netlink.NewAttributeEncoder()
	e.String(unix.NFTA_TABLE_NAME, tableName)
	request, err := e.Encode()
	if err != nil {
		return info, err
	}
	d, err := get(conn, unix.NFT_MSG_GETTABLE, request)
	if err != nil {
		return info, err
	}
	for d.Next() {
		switch d.Type() {
		case unix.NFTA_TABLE_FLAGS:
			info.flags = d.Uint32()
		case tableUserdata:
			info.comment = commentIn(d.Bytes())
		}
	}
	return info, d.Err()
}

// chainInfo is what is read of one of our chains. One without a hook sees no packet.
type chainInfo struct {
	hooked   bool
	hook     uint32
	priority int32
}

// getChain reads one of our chains. The library's ListChain hides which error it was
// answered with.
func getChain(conn *netlink.Conn, name string) (info chainInfo, err error) {
	e := netlink.NewAttributeEncoder()
	e.String(unix.NFTA_CHAIN_TABLE, tableName)
	e.String(unix.NFTA_CHAIN_NAME, name)
	request, err := e.Encode()
	if err != nil {
		return info, err
	}
	d, err := get(conn, unix.NFT_MSG_GETCHAIN, request)
	if err != nil {
		return info, err
	}
	for d.Next() {
		if d.Type() == unix.NFTA_CHAIN_HOOK {
			info.hooked = true
			d.Nested(func(d *netlink.AttributeDecoder) error {
				for d.Next() {
					switch d.Type() {
					case unix.NFTA_HOOK_HOOKNUM:
						info.hook = d.Uint32()
					case unix.NFTA_HOOK_PRIORITY:
						info.priority = int32(d.Uint32())
					}
				}
				return nil
			})
		}
	}
	return info, d.Err()
}

// commentIn finds the comment among what programs have noted with an object:
// each has one byte of type, one of length, and its value.
func commentIn(userdata []byte) string {
	for len(userdata) >= 2 {
		kind, n := userdata[0], int(userdata[1])
		userdata = userdata[2:]
		if n > len(userdata) {
			return ""
		}
		if kind == udataComment {
			return strings.TrimRight(string(userdata[:n]), "\x00")
		}
		userdata = userdata[n:]
	}
	return ""
}

// elementsAtOnce bounds the elements that are asked for at once, and so how long
// others wait for the socket. Each is answered by itself, and receiveBuffer holds
// many times as many answers (5,000 were read).
const elementsAtOnce = 64

// getElements reads the elements that ban exactly these prefixes, at most
// elementsAtOnce, and leaves out those that there are not. The kernel answers in
// the order in which it was asked, so that nobody waits for one before he asks
// for the next.
func getElements(conn *netlink.Conn, prefixes []netip.Prefix, now time.Time) ([]Ban, error) {
	questions := make([]netlink.Message, len(prefixes))
	for i, p := range prefixes {
		attributes, err := elementAttributes(p)
		if err != nil {
			return nil, err
		}
		questions[i] = question(unix.NFT_MSG_GETSETELEM, attributes)
	}
	if err := conn.SetDeadline(time.Now().Add(netlinkTimeout)); err != nil {
		return nil, err
	}
	if _, err := conn.SendMessages(questions); err != nil {
		return nil, err
	}
	var bans []Ban
	for _, p := range prefixes {
		d, err := answer(conn.Receive())
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ban, err := decodeBan(d, p, now)
		if err != nil {
			return nil, err
		}
		bans = append(bans, ban)
	}
	return bans, nil
}

// elementAttributes name the element that bans a prefix, which is clean.
func elementAttributes(p netip.Prefix) ([]byte, error) {
	e := netlink.NewAttributeEncoder()
	e.String(unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
	e.String(unix.NFTA_SET_ELEM_LIST_SET, setOf(p).String())
	e.Nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(e *netlink.AttributeEncoder) error {
		e.Nested(unix.NFTA_LIST_ELEM, func(e *netlink.AttributeEncoder) error {
			e.Nested(unix.NFTA_SET_ELEM_KEY, func(e *netlink.AttributeEncoder) error {
				e.Bytes(unix.NFTA_DATA_VALUE, p.Addr().AsSlice())
				return nil
			})
			return nil
		})
		return nil
	})
	return e.Encode()
}

func decodeBan(d *netlink.AttributeDecoder, p netip.Prefix, now time.Time) (Ban, error) {
	ban := Ban{Prefix: p}
	for d.Next() {
		if d.Type() != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		d.Nested(func(d *netlink.AttributeDecoder) error {
			for d.Next() {
				d.Nested(func(d *netlink.AttributeDecoder) error { return decodeElement(d, &ban, now) })
			}
			return nil
		})
	}
	return ban, d.Err()
}

// decodeElement reads what is left of an element's time, and its counter.
func decodeElement(d *netlink.AttributeDecoder, ban *Ban, now time.Time) error {
	for d.Next() {
		switch d.Type() {
		case unix.NFTA_SET_ELEM_EXPIRATION:
			ban.Until = now.Add(time.Duration(d.Uint64()) * time.Millisecond)
		case unix.NFTA_SET_ELEM_EXPR:
			d.Nested(func(d *netlink.AttributeDecoder) error {
				for d.Next() {
					if d.Type() == unix.NFTA_EXPR_DATA {
						d.Nested(func(d *netlink.AttributeDecoder) error {
							for d.Next() {
								if d.Type() == unix.NFTA_COUNTER_PACKETS {
									ban.Packets = d.Uint64()
								}
							}
							return nil
						})
					}
				}
				return nil
			})
		}
	}
	return nil
}

// longAnswers makes the kernel give long lists in its longest messages, 32 KiB.
// It makes none longer than the longest buffer that was offered to it on a
// socket (Linux, net/netlink/af_netlink.c, netlink_dump), which is a page where
// the library reads; and with each it looks for its place in the set from the
// beginning, so that 100,000 bans took 11 seconds in place of one.
func longAnswers(conn *netlink.Conn) error {
	// Any answer will do.
	_, err := conn.Send(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN), Flags: netlink.Request},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var received error
	err = raw.Read(func(fd uintptr) bool {
		_, _, received = unix.Recvfrom(int(fd), make([]byte, 32<<10), 0)
		return received != unix.EAGAIN
	})
	return errors.Join(err, received)
}

func isNotFound(err error) bool { return errors.Is(err, unix.ENOENT) }
