// Package world is the small internet of the lab: network namespaces for a
// victim, an attacker, honest peers, a relay and a NAT with two hosts behind it,
// joined by a router. Nothing leaves it, and it is gone with Close or with the
// process. It has to be made inside a namespace of netnstest.Main.
//
//	          198.51.100.0/26 ┌────────┐ 203.0.113.0/28
//	attacker ─────────────────┤        ├──────────────── victim
//	  honest ─────────────────┤ router ├──────────────── relay
//	            192.0.2.0/24  └───┬────┘ 198.51.100.64/26
//	                             NAT ── one attacker, one honest host
//
// The addresses are of the documentation ranges (RFC 5737, RFC 3849), which
// p2pban takes for a stranger's like any other global address.
package world

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/p2pban/p2pban/internal/journaltest"
	"github.com/p2pban/p2pban/internal/netnstest"
)

// Who is where.
const (
	Victim4 = "203.0.113.5"
	Victim6 = "2001:db8:5::5"

	Attacker4 = "198.51.100.50"
	Attacker6 = "2001:db8:50::50"
	// Attacker48 is the attacker's network of IPv6, all of it.
	Attacker48 = "2001:db8:50::/48"
	// Sprayed is the /64 of the attacker's from all over which it can come.
	Sprayed = "2001:db8:50:1::/64"
	// SprayedHosts is how many addresses of it the attacker has.
	SprayedHosts = 256

	Relay4 = "198.51.100.99"
	NAT4   = "198.51.100.200"
	// Innocent belongs to nobody: whoever is banned by this name was accused
	// by an attacker.
	Innocent = "192.0.2.250"
)

// World is the namespaces. Those whose names begin with Home are behind the
// NAT.
type World struct {
	Victim, Attacker, Honest, Relay, HomeAttacker, HomeHonest *netnstest.NS

	router, nat *netnstest.NS
	scope       *scope
	starter     starter
}

// New makes a world. The error says what this system refuses.
func New() (w *World, err error) {
	s := &scope{}
	defer func() {
		if err != nil {
			s.end()
		}
	}()
	defer s.catch(&err)
	w = &World{scope: s}
	for _, ns := range []**netnstest.NS{
		&w.router, &w.nat, &w.Victim, &w.Attacker, &w.Honest, &w.Relay, &w.HomeAttacker, &w.HomeHonest,
	} {
		*ns = netnstest.New(s)
	}
	w.connect()
	if err := w.translate(); err != nil {
		return nil, err
	}
	w.starter = newStarter()
	return w, nil
}

// connect lays the cables.
func (w *World) connect() {
	w.router.EnableForwarding()
	w.nat.EnableForwarding()
	leg(w.router, w.Victim, "victim", "203.0.113.1/28 2001:db8:5::1/64", Victim4+"/28 "+Victim6+"/64")
	leg(w.router, w.Attacker, "attacker", "198.51.100.1/26 2001:db8:50::1/64", Attacker4+"/26 "+Attacker6+"/64")
	leg(w.router, w.Honest, "honest", "192.0.2.1/24 2001:db8:1f::1/64", "192.0.2.2/24 2001:db8:1f::2/64")
	leg(w.router, w.Relay, "relay", "198.51.100.65/26 2001:db8:99::1/64", Relay4+"/26 2001:db8:99::99/64")
	leg(w.router, w.nat, "nat", "198.51.100.193/26", NAT4+"/26")
	leg(w.nat, w.HomeAttacker, "bad", "10.0.1.1/24", "10.0.1.2/24")
	leg(w.nat, w.HomeHonest, "good", "10.0.2.1/24", "10.0.2.2/24")

	w.router.AddRoute(netip.MustParsePrefix(Sprayed), netip.MustParseAddr(Attacker6))
	w.router.AddRoute(netip.MustParsePrefix("2001:db8:10::/44"), netip.MustParseAddr("2001:db8:1f::2"))
	w.Attacker.AddAddrs("eth0", hosts(SprayedSources())...)
	w.Honest.AddAddrs("eth0", hosts(HonestSources())...)
}

// translate makes everybody behind the NAT come from its address.
func (w *World) translate() error {
	const rules = `table ip nat { chain postrouting { type nat hook postrouting priority 100; oifname "eth0" masquerade; }; }`
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err := w.nat.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return fmt.Errorf("the NAT (nft): %w: %s", err, out.String())
	}
	return nil
}

// leg joins ns to a router, by which it reaches all others.
func leg(router, ns *netnstest.NS, name, there, here string) {
	gateways := prefixes(there)
	netnstest.Veth(router, name, gateways, ns, "eth0", prefixes(here))
	for _, g := range gateways {
		all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if g.Addr().Is6() {
			all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		ns.AddRoute(all, g.Addr())
	}
}

// HonestSources are the addresses of the honest peers: twelve of IPv4 and four
// of IPv6 in networks of their own, so that a node that admits 0.2 connections
// a second from each can be asked three times a second.
func HonestSources() []netip.Addr {
	var all []netip.Addr
	for n := range 12 {
		all = append(all, netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + n)}))
	}
	for n := range 4 {
		all = append(all, netip.MustParseAddr(fmt.Sprintf("2001:db8:1%d::10", n)))
	}
	return all
}

// SprayedSources are the attacker's addresses in Sprayed.
func SprayedSources() []netip.Addr {
	var all []netip.Addr
	for n := range SprayedHosts {
		a := netip.MustParsePrefix(Sprayed).Addr().As16()
		// Spread over the host part, as a sprayer would.
		a[8], a[15] = byte(n*37), byte(n)
		a[9] = 1
		all = append(all, netip.AddrFrom16(a))
	}
	return all
}

// Listen is where the victim listens: TCP and QUIC of both families, and
// WebSocket.
func Listen() []string {
	var all []string
	for _, at := range []string{"/ip4/" + Victim4, "/ip6/" + Victim6} {
		all = append(all, at+"/tcp/4001", at+"/udp/4001/quic-v1", at+"/tcp/4002/ws")
	}
	return all
}

// Journal starts a journald of the world's own.
func (w *World) Journal() (j *journaltest.Journald, err error) {
	defer w.scope.catch(&err)
	return journaltest.Start(w.scope), nil
}

// Stream opens a stream into a journal of the world, as systemd does for the
// standard output of a unit.
func (w *World) Stream(j *journaltest.Journald, unit string) (out Stream, err error) {
	defer w.scope.catch(&err)
	return j.Stream(unit, strings.TrimSuffix(unit, ".service")), nil
}

// Close removes the world with whatever still runs in it.
func (w *World) Close() error {
	w.starter.end()
	return w.scope.end()
}

func prefixes(words string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range strings.Fields(words) {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func hosts(addrs []netip.Addr) []netip.Prefix {
	var all []netip.Prefix
	for _, a := range addrs {
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	return all
}
