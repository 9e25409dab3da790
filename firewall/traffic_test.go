package firewall

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
)

// The world of the traffic tests. The node is the test's own namespace; the
// others are addresses of one namespace outside, joined by a cable.
const (
	node4, node6     = "192.0.2.1", "2001:db8::1"
	attacker4        = "192.0.2.66"
	neighbour4       = "192.0.2.67"
	attacker6        = "2001:db8:66::1"
	attacker6Sibling = "2001:db8:66::2" // in the same /64
	neighbour6       = "2001:db8:67::1"
)

func prefixes(ss ...string) (out []netip.Prefix) {
	for _, s := range ss {
		out = append(out, pfx(s))
	}
	return out
}

func newWorld(t testing.TB) (node, outside *netnstest.NS) {
	t.Helper()
	node, outside = netnstest.Here(t), netnstest.New(t)
	netnstest.Veth(node, "wan0", prefixes(node4+"/24", node6+"/32"), outside, "eth0", prefixes(
		attacker4+"/24", neighbour4+"/24", attacker6+"/32", attacker6Sibling+"/32", neighbour6+"/32"))
	return node, outside
}

// serveEcho sends back what comes, over TCP and UDP on one port of a
// namespace, until the test ends.
func serveEcho(t testing.TB, ns *netnstest.NS) (port string) {
	t.Helper()
	var l net.Listener
	var p net.PacketConn
	var err error
	ns.Do(func() {
		if l, err = net.Listen("tcp", ":0"); err == nil {
			_, port, _ = net.SplitHostPort(l.Addr().String())
			p, err = net.ListenPacket("udp", ":"+port)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); p.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	go func() {
		buf := make([]byte, 64)
		for {
			n, from, err := p.ReadFrom(buf)
			if err != nil {
				return
			}
			p.WriteTo(buf[:n], from) // a banned destination is an error here; the test sees silence
		}
	}()
	return port
}

// dial connects from an address of a namespace.
func dial(ns *netnstest.NS, network, from, to, port string, timeout time.Duration) (c net.Conn, err error) {
	ns.Do(func() {
		d := net.Dialer{Timeout: timeout}
		if network == "tcp" {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		} else {
			d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(from)}
		}
		c, err = d.Dial(network, net.JoinHostPort(to, port))
	})
	return c, err
}

// answers reports whether a message sent on c comes back in time. It carries a
// number, so that a late answer is not taken for a new one.
func answers(c net.Conn, within time.Duration) bool {
	message := fmt.Sprintf("%020d", time.Now().UnixNano())
	c.SetDeadline(time.Now().Add(within))
	if _, err := io.WriteString(c, message); err != nil {
		return false
	}
	buf := make([]byte, len(message))
	for {
		if _, err := io.ReadFull(c, buf); err != nil {
			return false
		}
		if string(buf) == message {
			return true
		}
	}
}

// flow is a conversation held open across a ban.
type flow struct {
	network, from string
	conn          net.Conn
}

func (f flow) String() string { return f.network + " from " + f.from }

// openFlows starts a TCP and a UDP flow from every address and fails the test
// if one does not work.
func openFlows(t testing.TB, outside *netnstest.NS, port string, target4, target6 string, froms ...string) []flow {
	t.Helper()
	var flows []flow
	for _, from := range froms {
		to := target4
		if netip.MustParseAddr(from).Is6() {
			to = target6
		}
		for _, network := range []string{"tcp", "udp"} {
			c, err := dial(outside, network, from, to, port, 5*time.Second)
			if err != nil {
				t.Fatalf("before any ban: %s from %s: %v", network, from, err)
			}
			t.Cleanup(func() { c.Close() })
			f := flow{network, from, c}
			if !answers(c, 5*time.Second) {
				t.Fatalf("before any ban: %v gets no answer", f)
			}
			flows = append(flows, f)
		}
	}
	return flows
}

const (
	silence = 250 * time.Millisecond // how long a dropped flow is listened to
	patient = 5 * time.Second        // how long a passing flow may take
)

func checkFlows(t testing.TB, when string, flows []flow, dropped map[string]bool) {
	t.Helper()
	var all sync.WaitGroup
	for _, f := range flows {
		all.Go(func() {
			switch {
			case dropped[f.from] && answers(f.conn, silence):
				t.Errorf("%s: %v passes", when, f)
			case !dropped[f.from] && !answers(f.conn, patient):
				t.Errorf("%s: %v does not pass", when, f)
			}
		})
	}
	all.Wait()
}

// kernelBackends are the backends that drop packets.
func kernelBackends() map[string]func(t testing.TB) Backend {
	all := backends()
	for _, name := range []string{"print", "kubo", "denyfile"} {
		delete(all, name)
	}
	return all
}

func TestTrafficOfABannedHostStops(t *testing.T) {
	everyone := []string{attacker4, neighbour4, attacker6, attacker6Sibling, neighbour6}
	for name, open := range kernelBackends() {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			node, outside := newWorld(t)
			port := serveEcho(t, node)
			theirs := serveEcho(t, outside)
			mustInit(t, b)
			flows := openFlows(t, outside, port, node4, node6, everyone...)

			for _, c := range []struct {
				ban     string
				dropped []string
			}{
				{attacker4 + "/32", []string{attacker4}},
				{"192.0.2.66/31", []string{attacker4, neighbour4}},
				{attacker6 + "/128", []string{attacker6}},
				{"2001:db8:66::/64", []string{attacker6, attacker6Sibling}},
				{"2001:db8:66::/47", []string{attacker6, attacker6Sibling, neighbour6}},
			} {
				dropped := map[string]bool{}
				for _, d := range c.dropped {
					dropped[d] = true
				}
				mustApply(t, b, Change{Set: []Ban{{Prefix: pfx(c.ban), Until: in(time.Hour)}}})
				from, to := c.dropped[0], node4
				if netip.MustParseAddr(from).Is6() {
					to = node6
				}
				var all sync.WaitGroup
				all.Go(func() { checkFlows(t, "with "+c.ban+" banned", flows, dropped) })
				all.Go(func() {
					if conn, err := dial(outside, "tcp", from, to, port, silence); err == nil {
						conn.Close()
						t.Errorf("with %s banned: %s connects anew", c.ban, from)
					}
				})
				all.Go(func() {
					if conn, err := dial(node, "tcp", "", from, theirs, silence); err == nil {
						conn.Close()
						t.Errorf("with %s banned: the node connects to %s", c.ban, from)
					}
				})
				all.Wait()
				mustApply(t, b, Change{Lift: prefixes(c.ban)})
				checkFlows(t, "after "+c.ban+" was lifted", flows, nil)
			}
		})
	}
}

func TestTrafficOfAContainerStops(t *testing.T) {
	for name, open := range kernelBackends() {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			node, outside := newWorld(t)
			container := netnstest.New(t)
			netnstest.Veth(node, "docker0", prefixes("172.17.0.1/16"), container, "eth0", prefixes("172.17.0.2/16"))
			container.AddRoute(pfx("0.0.0.0/0"), netip.MustParseAddr("172.17.0.1"))
			node.EnableForwarding()
			port := serveEcho(t, container)
			theirs := serveEcho(t, outside)
			// Publish the port as Docker does, and let the container out.
			run(t, `table ip nat {
				chain prerouting { type nat hook prerouting priority dstnat; ip daddr `+node4+` meta l4proto { tcp, udp } th dport 4001 dnat to 172.17.0.2:`+port+`; }
				chain postrouting { type nat hook postrouting priority srcnat; ip saddr 172.17.0.0/16 masquerade; }
			}`, "nft", "-f", "-")
			mustInit(t, b)
			flows := openFlows(t, outside, "4001", node4, "", attacker4, neighbour4)

			mustApply(t, b, Change{Set: []Ban{{Prefix: pfx(attacker4 + "/32"), Until: in(time.Hour)}}})
			checkFlows(t, "with the attacker banned", flows, map[string]bool{attacker4: true})
			if c, err := dial(outside, "tcp", attacker4, node4, "4001", silence); err == nil {
				c.Close()
				t.Error("the attacker connects anew")
			}
			if c, err := dial(container, "tcp", "", attacker4, theirs, silence); err == nil {
				c.Close()
				t.Error("the container connects to the attacker")
			}
			c, err := dial(container, "tcp", "", neighbour4, theirs, patient)
			if err != nil {
				t.Error("the container cannot connect to the neighbour:", err)
			} else {
				c.Close()
			}
			mustApply(t, b, Change{Lift: prefixes(attacker4 + "/32")})
			checkFlows(t, "after the ban was lifted", flows, nil)
		})
	}
}

// Someone else's rules that accept established connections early do not let a
// banned host pass.
func TestForeignAcceptDoesNotHelp(t *testing.T) {
	b := newNFTables(t, Options{})
	node, outside := newWorld(t)
	port := serveEcho(t, node)
	run(t, `table inet filter {
		chain input {
			type filter hook input priority -350; policy accept
			ct state established,related accept
			accept
		}
	}`, "nft", "-f", "-")
	mustInit(t, b)
	flows := openFlows(t, outside, port, node4, node6, attacker4, neighbour4)
	mustApply(t, b, Change{Set: []Ban{{Prefix: pfx(attacker4 + "/32")}}})
	checkFlows(t, "with the attacker banned", flows, map[string]bool{attacker4: true})
}

func TestPortsAndProtocols(t *testing.T) {
	node, outside := newWorld(t)
	guarded, free := serveEcho(t, node), serveEcho(t, node)
	var number uint16
	if _, err := fmt.Sscan(guarded, &number); err != nil {
		t.Fatal(err)
	}
	ban := Ban{Prefix: pfx(attacker4 + "/32"), Until: in(time.Hour)}
	ban6 := Ban{Prefix: pfx("2001:db8:66::/64"), Until: in(time.Hour)}
	for _, c := range []struct {
		name    string
		options Options
		passes  func(network, port string) bool
	}{
		{"one port", Options{Ports: []uint16{number}}, func(_, port string) bool { return port == free }},
		{"only udp", Options{Protocols: []Protocol{UDP}}, func(network, _ string) bool { return network == "tcp" }},
		{"one tcp port", Options{Ports: []uint16{number}, Protocols: []Protocol{TCP}},
			func(network, port string) bool { return network == "udp" || port == free }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newNFTables(t, c.options)
			mustInit(t, b)
			flows := map[string][]flow{}
			for _, port := range []string{guarded, free} {
				flows[port] = openFlows(t, outside, port, node4, node6, attacker4, attacker6)
			}
			mustApply(t, b, Change{Set: []Ban{ban, ban6}})
			var all sync.WaitGroup
			for port, open := range flows {
				for _, f := range open {
					all.Go(func() {
						want := c.passes(f.network, port)
						within := silence
						if want {
							within = patient
						}
						if got := answers(f.conn, within); got != want {
							t.Errorf("%v to port %s passes: %v, want %v", f, port, got, want)
						}
					})
				}
			}
			all.Wait()
		})
	}
}

func TestBansCountTheirPackets(t *testing.T) {
	b := newNFTables(t, Options{})
	node, outside := newWorld(t)
	port := serveEcho(t, node)
	mustInit(t, b, Ban{Prefix: pfx(neighbour4 + "/32")})
	flows := openFlows(t, outside, port, node4, node6, attacker4, attacker6)
	bans := []Ban{{Prefix: pfx(attacker4 + "/32"), Until: in(time.Hour)}, {Prefix: pfx("2001:db8:66::/64"), Until: in(time.Hour)}}
	mustApply(t, b, Change{Set: bans})
	const sent = 10
	for _, f := range flows {
		if f.network == "udp" {
			for range sent {
				io.WriteString(f.conn, "x")
			}
		}
	}
	want := map[netip.Prefix]bool{bans[0].Prefix: true, bans[1].Prefix: true, pfx(neighbour4 + "/32"): false}
	check := func(how string, list []Ban, err error) {
		t.Helper()
		if err != nil || len(list) != 3 {
			t.Fatalf("%s: %d bans, %v; want 3", how, len(list), err)
		}
		for _, ban := range list {
			if dropped := ban.Packets >= sent; dropped != want[ban.Prefix] {
				t.Errorf("%s: %s has dropped %d packets", how, ban.Prefix, ban.Packets)
			}
		}
	}
	ctx := context.Background()
	list, err := b.List(ctx)
	check("List", list, err)
	list, err = b.Lookup(ctx, prefixes(attacker4+"/32", "2001:db8:66::/64", neighbour4+"/32", "192.0.2.99/32", "10.0.0.0/8"))
	check("Lookup", list, err)
}

// A long list of prefixes is looked up in parts: each ban that stands is found
// with its end, in the order asked for, whichever of the others do not stand.
func TestLookupOfMany(t *testing.T) {
	b := newNFTables(t, Options{})
	all := hosts(3*elementsAtOnce + 1)
	var want []netip.Prefix
	for i, p := range all {
		// None of the first part stands, all of the second do, and every third of the rest.
		if part := i / elementsAtOnce; part == 1 || part > 1 && i%3 == 0 {
			want = append(want, p)
		}
	}
	end := in(time.Hour)
	mustInit(t, b, until(want, end)...)
	found, err := b.Lookup(context.Background(), all)
	if err != nil {
		t.Fatal(err)
	}
	var got []netip.Prefix
	for _, ban := range found {
		got = append(got, ban.Prefix)
		if ban.Until.Sub(end).Abs() > time.Minute {
			t.Errorf("%s ends at %s, want %s", ban.Prefix, ban.Until, end)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if err := b.Verify(context.Background(), until(want[:1], end)); err != nil {
		t.Error("after it, nothing is left unread on the socket, but:", err)
	}
}
