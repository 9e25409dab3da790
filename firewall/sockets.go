package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The kernel's socket diagnostics (sock_diag(7); Linux,
// include/uapi/linux/inet_diag.h). vishvananda/netlink destroys IPv4 sockets
// only, so both requests are made here.
const (
	sockDiagByFamily = 20 // SOCK_DIAG_BY_FAMILY
	sockDestroy      = 21 // SOCK_DESTROY

	sizeofInetDiagReqV2 = 56
	sizeofInetDiagMsg   = 72
	// Where struct inet_diag_sockid, which names one socket, stands in the
	// request and in the answer, and its length.
	reqID, msgID, sizeofID = 8, 4, 48
	// Where the remote address stands within it.
	idRemote = 20
)

// connected is the mask of TCP states in which a socket has a peer, except
// TIME-WAIT, which holds nothing of the node's (include/net/tcp_states.h).
const connected = 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<8 | 1<<9 | 1<<11

// KillSockets destroys the TCP sockets of a network namespace that are
// connected to one of the prefixes, and says how many. Their owner sees
// ECONNABORTED at once. QUIC has no socket of its own per connection; those
// connections end by their idle timeout once packets are dropped.
//
// netns is the file of the namespace the node runs in, such as
// /proc/4242/ns/net; empty means ours. Another one takes CAP_SYS_ADMIN.
//
// It needs CAP_NET_ADMIN and a kernel with CONFIG_INET_DIAG_DESTROY, else the
// error is ErrPermission or ErrUnsupported.
func KillSockets(ctx context.Context, netns string, prefixes []netip.Prefix) (int, error) {
	conn, err := dialSockDiag(netns)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(netlinkTimeout)); err != nil {
		return 0, err
	}
	banned, err := newMatcher(prefixes)
	if err != nil {
		return 0, err
	}
	killed := 0
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		ids, err := socketsOf(conn, family, banned)
		if err != nil {
			return killed, kernelError("listing sockets", err)
		}
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				return killed, err
			}
			switch err := destroy(conn, family, id); {
			case err == nil:
				killed++
			case !errors.Is(err, unix.ENOENT): // closed in the meantime
				return killed, kernelError("destroying a socket", err)
			}
		}
	}
	return killed, nil
}

func dialSockDiag(netns string) (*netlink.Conn, error) {
	var config netlink.Config
	if netns != "" {
		f, err := os.Open(netns) // anew each time: a restarted container is another one
		if err != nil {
			return nil, fmt.Errorf("the node's network namespace: %w", err)
		}
		defer f.Close()
		config.NetNS = int(f.Fd())
	}
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, &config)
	return conn, kernelError("opening a socket diagnostics socket", err)
}

// SocketStats says what Options.KillSockets did.
type SocketStats struct {
	// Killed is the number of sockets destroyed.
	Killed uint64
	// Err is why the last attempt failed, or nil. The ban holds all the same.
	Err error
}

// kill destroys the sockets of those the change bans.
func (s *SocketStats) kill(ctx context.Context, o Options, c Change, now time.Time) {
	if !o.KillSockets {
		return
	}
	var banned []netip.Prefix
	for _, b := range c.Set {
		if b.Until.IsZero() || b.Until.After(now) {
			banned = append(banned, b.Prefix)
		}
	}
	if len(banned) == 0 {
		return
	}
	killed, err := KillSockets(ctx, o.NodeNetNS, banned)
	s.Killed += uint64(killed)
	s.Err = err
}

// socketsOf lists the identities of the sockets whose peer is banned.
func socketsOf(conn *netlink.Conn, family byte, banned matcher) ([][]byte, error) {
	request := make([]byte, sizeofInetDiagReqV2)
	request[0], request[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[4:], connected)
	replies, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: sockDiagByFamily, Flags: netlink.Request | netlink.Dump},
		Data:   request,
	})
	if err != nil {
		return nil, err
	}
	var ids [][]byte
	for _, m := range replies {
		if len(m.Data) < sizeofInetDiagMsg {
			return nil, fmt.Errorf("an answer of %d bytes", len(m.Data))
		}
		id := m.Data[msgID : msgID+sizeofID]
		remote, _ := netip.AddrFromSlice(id[idRemote : idRemote+4])
		if family == unix.AF_INET6 {
			// A socket open to both families holds IPv4 peers mapped.
			remote, _ = netip.AddrFromSlice(id[idRemote : idRemote+16])
			remote = remote.Unmap()
		}
		if banned.covers(remote) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func destroy(conn *netlink.Conn, family byte, id []byte) error {
	request := make([]byte, sizeofInetDiagReqV2)
	request[0], request[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[4:], connected)
	copy(request[reqID:], id)
	_, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: sockDestroy, Flags: netlink.Request | netlink.Acknowledge},
		Data:   request,
	})
	return err
}

// matcher tells whether one of many prefixes covers an address.
type matcher map[setID]map[netip.Prefix]bool

func newMatcher(prefixes []netip.Prefix) (matcher, error) {
	m := matcher{}
	for _, p := range prefixes {
		p, err := Clean(p)
		if err != nil {
			return nil, err
		}
		id := setOf(p)
		if m[id] == nil {
			m[id] = map[netip.Prefix]bool{}
		}
		m[id][p] = true
	}
	return m, nil
}

func (m matcher) covers(a netip.Addr) bool {
	for id, prefixes := range m {
		if id.v6 == a.Is6() && prefixes[netip.PrefixFrom(a, id.bits).Masked()] {
			return true
		}
	}
	return false
}
