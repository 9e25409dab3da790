package firewall

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// accepted is a server that keeps what it accepts.
func accepted(t *testing.T, addr string) (port string, conns chan net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conns = make(chan net.Conn, 64) // more than the tests open
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, conns
}

func TestKillSocketsFreesTheNodesConnections(t *testing.T) {
	b := newNFTables(t, Options{KillSockets: true})
	_, outside := newWorld(t)
	// One listener for IPv4 only and one for both families, as nodes have:
	// the second holds IPv4 peers as mapped IPv6 addresses.
	port4, conns4 := accepted(t, "0.0.0.0:0")
	port, conns := accepted(t, "[::]:0")
	mustInit(t, b)

	open := map[string]net.Conn{} // the node's ends
	for _, from := range []string{attacker4, neighbour4, attacker6, attacker6Sibling, neighbour6} {
		to := node4
		if netip.MustParseAddr(from).Is6() {
			to = node6
		} else {
			c, err := dial(outside, "tcp", from, to, port4, patient)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			open[from+" to the IPv4 listener"] = <-conns4
		}
		c, err := dial(outside, "tcp", from, to, port, patient)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open[from] = <-conns
	}

	mustApply(t, b, Change{Set: []Ban{
		{Prefix: pfx(attacker4 + "/32"), Until: in(time.Hour)},
		{Prefix: pfx("2001:db8:66::/64"), Until: in(time.Hour)},
		{Prefix: pfx(neighbour4 + "/32"), Until: in(-time.Hour)}, // ended: not banned, not killed
	}})
	if s := b.Sockets(); s.Killed != 4 || s.Err != nil {
		t.Errorf("killed %d sockets (%v), want 4", s.Killed, s.Err)
	}
	for who, c := range open {
		host := netip.MustParseAddr(c.RemoteAddr().(*net.TCPAddr).IP.String()).Unmap()
		dead := host.String() == attacker4 || pfx("2001:db8:66::/64").Contains(host)
		c.SetReadDeadline(time.Now().Add(silence))
		_, err := io.ReadFull(c, make([]byte, 1))
		if got := errors.Is(err, unix.ECONNABORTED); got != dead {
			t.Errorf("the socket of %s: %v; aborted %v, want %v", who, err, got, dead)
		}
		c.Close()
	}
}

func TestKillSocketsOfNobody(t *testing.T) {
	newWorld(t)
	killed, err := KillSockets(context.Background(), prefixes("192.0.2.250/32"))
	if killed != 0 || err != nil {
		t.Errorf("killed %d, %v; want nothing to do", killed, err)
	}
}
