// Package quic_test shows that a ban ends a QUIC connection that stands: the
// firewall's own tests speak TCP and plain UDP, so that its module does without
// a QUIC implementation.
package quic_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/netnstest"
)

func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

// The node is the test's own namespace; the others are addresses of one
// namespace outside, joined by a cable.
const (
	node4, node6 = "192.0.2.1", "2001:db8::1"
	attacker4    = "192.0.2.66"
	attacker6    = "2001:db8:66::1"
	neighbour4   = "192.0.2.67"
	neighbour6   = "2001:db8:67::1"

	inside4, gateway4 = "172.17.0.2", "172.17.0.1" // a container behind the node
	published         = 4001
)

const (
	silence  = time.Second      // how long a banned host is listened to
	patience = 20 * time.Second // how long anybody else may take
)

func prefixes(ss ...string) (out []netip.Prefix) {
	for _, s := range ss {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestQUICOfABannedHostStops(t *testing.T) {
	node := netnstest.Here(t)
	outside := netnstest.New(t)
	netnstest.Veth(node, "wan0", prefixes(node4+"/24", node6+"/32"), outside, "eth0",
		prefixes(attacker4+"/24", neighbour4+"/24", attacker6+"/32", neighbour6+"/32"))
	t.Run("node", func(t *testing.T) {
		port := serve(t, node)
		theirs := serve(t, outside)
		testBan(t, node, outside, func(from netip.Addr) string {
			if from.Is6() {
				return net.JoinHostPort(node6, fmt.Sprint(port))
			}
			return net.JoinHostPort(node4, fmt.Sprint(port))
		}, theirs, attacker4, attacker6, neighbour4, neighbour6)
	})
	t.Run("container", func(t *testing.T) {
		container := netnstest.New(t)
		netnstest.Veth(node, "docker0", prefixes(gateway4+"/16"), container, "eth0", prefixes(inside4+"/16"))
		container.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr(gateway4))
		node.EnableForwarding()
		port := serve(t, container)
		theirs := serve(t, outside)
		// As Docker publishes a port, and lets a container out.
		nft(t, fmt.Sprintf(`table ip nat {
			chain prerouting { type nat hook prerouting priority dstnat; ip daddr %s udp dport %d dnat to %s:%d; }
			chain postrouting { type nat hook postrouting priority srcnat; ip saddr 172.17.0.0/16 masquerade; }
		}`, node4, published, inside4, port))
		testBan(t, container, outside, func(netip.Addr) string {
			return net.JoinHostPort(node4, fmt.Sprint(published))
		}, theirs, attacker4, neighbour4)
	})
}

// testBan holds a connection open from each host to the server, bans those of
// the attacker, and lifts the bans. The server's namespace dials out to the
// port theirs.
func testBan(t *testing.T, server, outside *netnstest.NS, target func(from netip.Addr) string, theirs int, hosts ...string) {
	b, err := firewall.NewNFTables(firewall.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx := t.Context()
	if err := b.Init(ctx, nil); err != nil {
		t.Fatal(err)
	}
	streams := map[string]*quic.Stream{}
	for _, h := range hosts {
		s, err := connect(t, outside, h, target(netip.MustParseAddr(h)), patience)
		if err != nil || !answers(s, patience) {
			t.Fatalf("before any ban: %s: %v", h, err)
		}
		streams[h] = s
	}
	var banned []firewall.Ban
	for _, p := range []string{attacker4 + "/32", "2001:db8:66::/64"} {
		banned = append(banned, firewall.Ban{Prefix: netip.MustParsePrefix(p), Until: time.Now().Add(time.Hour)})
	}
	if err := b.Apply(ctx, firewall.Change{Set: banned}); err != nil {
		t.Fatal(err)
	}
	for h, s := range streams {
		within, want := patience, true
		if isBanned(h, banned) {
			within, want = silence, false
		}
		if got := answers(s, within); got != want {
			t.Errorf("with the attacker banned: the stream of %s is answered: %v, want %v", h, got, want)
		}
		if got := connects(t, outside, h, target(netip.MustParseAddr(h)), within); got != want {
			t.Errorf("with the attacker banned: %s connects anew: %v, want %v", h, got, want)
		}
		if got := connects(t, server, "", net.JoinHostPort(h, fmt.Sprint(theirs)), within); got != want {
			t.Errorf("with the attacker banned: the node connects to %s: %v, want %v", h, got, want)
		}
	}
	for _, ban := range banned {
		if err := b.Apply(ctx, firewall.Change{Lift: []netip.Prefix{ban.Prefix}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range hosts {
		if !connects(t, outside, h, target(netip.MustParseAddr(h)), patience) {
			t.Errorf("after the bans were lifted: %s does not connect", h)
		}
	}
}

func isBanned(host string, bans []firewall.Ban) bool {
	for _, b := range bans {
		if b.Prefix.Contains(netip.MustParseAddr(host)) {
			return true
		}
	}
	return false
}

// serve echoes every stream of every QUIC connection to a port of a namespace
// until the test ends.
func serve(t *testing.T, ns *netnstest.NS) (port int) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, public, private)
	if err != nil {
		t.Fatal(err)
	}
	socket := listen(t, ns, "")
	l, err := (&quic.Transport{Conn: socket}).Listen(&tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: private}},
		NextProtos:   []string{"echo"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				if s, err := conn.AcceptStream(context.Background()); err == nil {
					io.Copy(s, s)
				}
			}()
		}
	}()
	return socket.LocalAddr().(*net.UDPAddr).Port
}

func listen(t *testing.T, ns *netnstest.NS, from string) *net.UDPConn {
	t.Helper()
	var socket *net.UDPConn
	var err error
	ns.Do(func() { socket, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket
}

// connect opens a connection from an address of a namespace, and a stream on it.
func connect(t *testing.T, ns *netnstest.NS, from, to string, within time.Duration) (*quic.Stream, error) {
	t.Helper()
	addr, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	// The name of the peer is no matter here.
	conn, err := (&quic.Transport{Conn: listen(t, ns, from)}).Dial(ctx, addr,
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"echo"}}, &quic.Config{KeepAlivePeriod: time.Second})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.CloseWithError(0, "") })
	return conn.OpenStreamSync(ctx)
}

func connects(t *testing.T, ns *netnstest.NS, from, to string, within time.Duration) bool {
	t.Helper()
	s, err := connect(t, ns, from, to, within)
	return err == nil && answers(s, within)
}

// answers reports whether a message comes back in time.
func answers(s *quic.Stream, within time.Duration) bool {
	message := fmt.Sprintf("%020d", time.Now().UnixNano())
	s.SetDeadline(time.Now().Add(within))
	if _, err := io.WriteString(s, message); err != nil {
		return false
	}
	got := make([]byte, len(message))
	_, err := io.ReadFull(s, got)
	return err == nil && string(got) == message
}

func nft(t *testing.T, ruleset string) {
	t.Helper()
	cmd := exec.Command(netnstest.LookPath(t, "nft"), "-f", "-")
	cmd.Stdin = strings.NewReader(ruleset)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}
