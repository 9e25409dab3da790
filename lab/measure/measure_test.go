package measure

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
	"github.com/p2pban/p2pban/lab/attack"
	"github.com/p2pban/p2pban/lab/world"
)

func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

func newWorld(t *testing.T) *world.World {
	t.Helper()
	netnstest.Require(t)
	netnstest.LookPath(t, "nft")
	w, err := world.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// bans is a table as an agent makes it, with the attacker in it.
const bans = `table inet someagent {
	set bad { type ipv4_addr; }
	chain in { type filter hook prerouting priority -300; ip saddr @bad drop; }
}
`

// initial is the beginning of a QUIC v1 Initial packet (RFC 9000, 17.2.2) with
// this destination connection id.
func initial(id string) []byte {
	return append([]byte{0xc3, 0, 0, 0, 1, byte(len(id))}, id+"and what follows"...)
}

// TestCount has the attacker and an honest peer connect, and the attacker again
// when it is banned.
func TestCount(t *testing.T) {
	w := newWorld(t)
	if err := Count(w.Victim); err != nil {
		t.Fatal(err)
	}
	if _, err := nft(w.Victim, bans, "-f", "-"); err != nil {
		t.Fatal(err)
	}
	tcp, udp := listen(t, w)
	defer tcp.Close()
	defer udp.Close()
	// The honest peer must be heard before the ban comes; two at the attacker's.
	knock(t, w.Honest, tcp.Addr().String())
	for range 2 {
		knock(t, w.Attacker, tcp.Addr().String())
	}
	// Twice the same connection, then another; one with the short id that a
	// server gives, and one that is no Initial.
	heard := [][]byte{initial("8 bytes!"), initial("8 bytes!"), initial("another!"), initial("4 by"), {0x40, 1, 2, 3}}
	send(t, w.Attacker, udp, heard...)
	if _, err := nft(w.Victim, "", "add", "element", "inet", "someagent", "bad", "{", world.Attacker4, "}"); err != nil {
		t.Fatal(err)
	}
	var err error
	w.Attacker.Do(func() { _, err = net.DialTimeout("tcp", tcp.Addr().String(), 100*time.Millisecond) })
	if err == nil {
		t.Fatal("a banned attacker got through")
	}
	c, err := Read(w.Victim)
	if err != nil {
		t.Fatal(err)
	}
	attacker, honest := netip.MustParseAddr(world.Attacker4), netip.MustParseAddr("192.0.2.2")
	if c.Offered[attacker] != 5 || c.Reached[attacker] != 4 {
		t.Errorf("the attacker offered %d (want 2 + 2 and one banned), reached %d (want 4)", c.Offered[attacker], c.Reached[attacker])
	}
	if c.Offered[honest] != 1 || c.Reached[honest] != 1 {
		t.Errorf("the honest peer offered %d, reached %d, want 1 and 1", c.Offered[honest], c.Reached[honest])
	}
	if n := Of(c.Offered, netip.Addr.Is4); n != 6 {
		t.Errorf("%d offered in all, want 6", n)
	}
}

func listen(t *testing.T, w *world.World) (tcp net.Listener, udp net.PacketConn) {
	t.Helper()
	var errTCP, errUDP error
	w.Victim.Do(func() {
		tcp, errTCP = net.Listen("tcp", world.Victim4+":4001")
		udp, errUDP = net.ListenPacket("udp", world.Victim4+":4001")
	})
	if errTCP != nil || errUDP != nil {
		t.Fatal(errTCP, errUDP)
	}
	return tcp, udp
}

func knock(t *testing.T, from *netnstest.NS, at string) {
	t.Helper()
	var c net.Conn
	var err error
	from.Do(func() { c, err = net.DialTimeout("tcp", at, 20*time.Second) })
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// send sends packets and waits until all have come.
func send(t *testing.T, from *netnstest.NS, to net.PacketConn, packets ...[]byte) {
	t.Helper()
	var c net.Conn
	var err error
	from.Do(func() { c, err = net.Dial("udp", to.LocalAddr().String()) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := to.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		if _, err := c.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, _, err := to.ReadFrom(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMonitor bans in the forms that agents use.
func TestMonitor(t *testing.T) {
	w := newWorld(t)
	const tables = `table inet p2pban {
		set ipv4 { type ipv4_addr; flags timeout; }
		set ipv6_64 { type ipv6_addr; flags timeout; counter; }
		set ports { type inet_service; }
	}
	table inet f2b-table {
		set addr-set-x { type ipv4_addr; }
		set networks { type ipv4_addr; flags interval; }
	}`
	if _, err := nft(w.Victim, tables, "-f", "-"); err != nil {
		t.Fatal(err)
	}
	m, err := Watch(w, w.Victim)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	const elements = `add element inet p2pban ipv4 { 198.51.100.50 timeout 10m, 198.51.100.51 timeout 1h }
		create element inet p2pban ipv6_64 { 2001:db8:50:: timeout 10m }
		add element inet p2pban ports { 4001 }
		add element inet f2b-table addr-set-x { 192.0.2.250 }
		add element inet f2b-table networks { 192.0.2.0/24 }`
	if _, err := nft(w.Victim, elements, "-f", "-"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"p2pban 198.51.100.50/32", "p2pban 198.51.100.51/32", "p2pban 2001:db8:50::/64",
		"f2b-table 192.0.2.250/32", "f2b-table 192.0.2.0/24",
	}
	if !m.Wait(20*time.Second, func(all []Ban) bool { return len(all) >= len(want) }) {
		t.Errorf("heard only of %v", m.Bans())
	}
	var got []string
	for _, b := range m.Bans() {
		got = append(got, b.Table+" "+b.Prefix.String())
		if b.At.Before(before) || b.At.After(time.Now()) {
			t.Errorf("%s heard of at %s", b.Prefix, b.At)
		}
	}
	// A kernel may tell of the elements of a set in any order.
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("heard of %q, want %q", got, want)
	}
	if err := m.Stop(); err != nil {
		t.Error(err)
	}
}

func TestMentions(t *testing.T) {
	const log = `time=2026-11-20T10:00:01.500Z level=INFO msg=x addr=/ip4/192.0.2.1/tcp/1
2026-11-20T11:00:02.000+0100	INFO	canonical-log	x	addr=/ip4/192.0.2.1/udp/2/quic-v1
time=2026-11-20T10:00:03Z addr=/ip4/192.0.2.10/tcp/1
no time addr=/ip4/192.0.2.1/tcp/4
`
	lines := Mentions(log, "/ip4/192.0.2.1/", "/ip6/2001:db8::1/")
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	want := []time.Time{at.Add(1500 * time.Millisecond), at.Add(2 * time.Second), {}}
	if len(lines) != len(want) {
		t.Fatalf("found %+v, want %d lines", lines, len(want))
	}
	for i, w := range want {
		if !lines[i].At.Equal(w) {
			t.Errorf("line %d is of %s, want %s", i, lines[i].At, w)
		}
	}
	if n := Before(lines[:2], at.Add(1600*time.Millisecond)); n != 1 {
		t.Errorf("%d lines before, want 1", n)
	}
}

func TestSummarise(t *testing.T) {
	from := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	at := func(s float64, o attack.Outcome, ms float64) attack.Attempt {
		return attack.Attempt{At: from.Add(time.Duration(s * float64(time.Second))), Outcome: o, Millis: ms}
	}
	all := []attack.Attempt{
		at(-1, attack.Served, 1000), at(0, attack.Served, 3), at(1, attack.Served, 1), at(2, attack.Refused, 500),
		at(3, attack.Dropped, 2000), at(4, attack.Served, 2), at(5, attack.Served, 9000),
	}
	got := Summarise(all, from, from.Add(5*time.Second))
	want := Summary{Tried: 5, Served: 3, Refused: 1, Dropped: 1, MedianMillis: 2, P95Millis: 3}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if s := got.Success(); s != 0.6 {
		t.Errorf("success %v, want 0.6", s)
	}
}
