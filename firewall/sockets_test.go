package firewall

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
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
	// The node's side of what earlier tests closed may still wait for an answer
	// from the same addresses.
	if _, err := KillSockets(t.Context(), "", prefixes(attacker4+"/32", "2001:db8:66::/64")); err != nil {
		t.Fatal(err)
	}
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
	var all sync.WaitGroup
	for who, c := range open {
		all.Go(func() {
			host := netip.MustParseAddr(c.RemoteAddr().(*net.TCPAddr).IP.String()).Unmap()
			dead := host.String() == attacker4 || pfx("2001:db8:66::/64").Contains(host)
			c.SetReadDeadline(time.Now().Add(silence))
			_, err := io.ReadFull(c, make([]byte, 1))
			if got := errors.Is(err, unix.ECONNABORTED); got != dead {
				t.Errorf("the socket of %s: %v; aborted %v, want %v", who, err, got, dead)
			}
			c.Close()
		})
	}
	all.Wait()
}

func TestKillSocketsOfNobody(t *testing.T) {
	newWorld(t)
	killed, err := KillSockets(context.Background(), "", prefixes("192.0.2.250/32"))
	if killed != 0 || err != nil {
		t.Errorf("killed %d, %v; want nothing to do", killed, err)
	}
}

func TestKillSocketsOfAContainer(t *testing.T) {
	container := netnstest.New(t)
	outside := netnstest.New(t)
	netnstest.Veth(container, "eth0", prefixes(node4+"/24"), outside, "eth0", prefixes(attacker4+"/24"))
	var port string
	var conns chan net.Conn
	container.Do(func() { port, conns = accepted(t, "0.0.0.0:0") })
	c, err := dial(outside, "tcp", attacker4, node4, port, patient)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	served := <-conns
	defer served.Close()

	b := newNFTables(t, Options{KillSockets: true, NodeNetNS: container.Path()})
	mustInit(t, b, Ban{Prefix: pfx(attacker4 + "/32"), Until: in(time.Hour)})
	if s := b.Sockets(); s.Killed != 1 || s.Err != nil {
		t.Errorf("killed %d sockets (%v), want 1", s.Killed, s.Err)
	}
	served.SetReadDeadline(time.Now().Add(patient))
	if _, err := served.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNABORTED) {
		t.Errorf("the node's socket: %v, want ECONNABORTED", err)
	}

	// The container is gone: the ban holds, and what could not be done is told.
	b = newNFTables(t, Options{KillSockets: true, NodeNetNS: "/proc/0/ns/net"})
	mustInit(t, b, mixed()...)
	stands(t, b, mixed()...)
	if s := b.Sockets(); !errors.Is(s.Err, os.ErrNotExist) || errors.Is(s.Err, ErrGone) || !strings.Contains(s.Err.Error(), "/proc/0/ns/net") {
		t.Errorf("the namespace does not exist: %v, want that and its name", s.Err)
	}
}
