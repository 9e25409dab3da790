package attack

import (
	"fmt"
	"net/netip"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// transport is what an attack can speak of a target's address.
type transport string

const (
	overTCP  transport = "tcp"
	overWS   transport = "ws"
	overQUIC transport = "quic-v1"
)

// target is one address of the victim, and where to come from.
type target struct {
	addr   netip.AddrPort
	peer   peer.ID
	multi  multiaddr.Multiaddr // without /p2p
	over   transport
	source netip.Addr // invalid: the kernel's choice
}

// pick gives the targets that are reached over one of the transports, once
// with each source of the same family; the sources change slowest, so that
// attempts in that order use all of the victim's addresses.
func pick(p Params, over ...transport) ([]target, error) {
	var found []target
	for _, m := range p.Targets {
		t, err := parseTarget(m)
		if err != nil {
			return nil, err
		}
		for _, o := range over {
			if t.over == o {
				found = append(found, t)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("none of the targets %v is reached over %v", p.Targets, over)
	}
	if len(p.Sources) == 0 {
		return found, nil
	}
	var all []target
	for _, s := range p.Sources {
		for _, t := range found {
			if s.Is4() == t.addr.Addr().Is4() {
				t.source = s
				all = append(all, t)
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no source is of the family of a target: sources %v, targets %v", p.Sources, p.Targets)
	}
	return all, nil
}

// parseTarget gives a target whose transport is empty when the address is none
// to be dialled as it is: a relayed one, or a name.
func parseTarget(m multiaddr.Multiaddr) (target, error) {
	id, err := peer.IDFromP2PAddr(m)
	if err != nil {
		return target{}, fmt.Errorf("target %s: want an address that ends in /p2p/ID: %w", m, err)
	}
	t := target{peer: id, multi: m[:len(m)-1]}
	if t.addr, err = socket(t.multi); err == nil {
		t.over = transport(t.multi[len(t.multi)-1].Protocol().Name)
	}
	return t, nil
}

// socket gives the IP address and port a multiaddr begins with.
func socket(m multiaddr.Multiaddr) (netip.AddrPort, error) {
	if len(m) < 2 {
		return netip.AddrPort{}, fmt.Errorf("%s: want an IP address and a port first", m)
	}
	_, hostPort, err := manet.DialArgs(m[:2])
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%s: %w", m, err)
	}
	return netip.ParseAddrPort(hostPort)
}
