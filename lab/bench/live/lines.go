package main

import (
	"fmt"
	"net/netip"
	"time"
)

// deciding is the line of a go-libp2p node that bans its host alone: it stands
// for as many connections as the jail allows (maxretry). It is in the form of
// before v0.44, which the filters of all programs read.
func deciding(host netip.Addr, at time.Time) string {
	return record(host, at, maxretry)
}

// record is a canonical line that stands for weight connections.
func record(host netip.Addr, at time.Time, weight int) string {
	family := "ip4"
	if host.Is6() {
		family = "ip6"
	}
	return fmt.Sprintf("%s\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\tCANONICAL_PEER_STATUS: peer=%s addr=/%s/%s/tcp/4001 sample_rate=%d connection_status=\"established\" dir=\"inbound\"\n",
		at.UTC().Format(stamp), peer, family, host, weight)
}

// other is a line that no rule knows, of which a node prints most.
func other(n int, at time.Time) string {
	return fmt.Sprintf("%s\tDEBUG\tswarm2\tswarm/swarm_dial.go:551\t[%s] opening connection to [%s]: dial backoff, %d addresses left\n", at.UTC().Format(stamp), peer, peer, n%9)
}

const (
	stamp = "2006-01-02T15:04:05.000Z"
	peer  = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
	// maxretry is that of the jail measured with.
	maxretry = 100
)

// hosts gives public IPv4 addresses, none twice.
type hosts struct{ n uint32 }

func (h *hosts) next() netip.Addr {
	h.n++
	return h.last()
}

// last is the last one given.
func (h *hosts) last() netip.Addr {
	// 32.0.0.0 to 95.255.255.255 are public; the factor spreads, one to one.
	mixed := h.n*2654435761&(1<<30-1) + 32<<24
	return netip.AddrFrom4([4]byte{byte(mixed >> 24), byte(mixed >> 16), byte(mixed >> 8), byte(mixed)})
}
