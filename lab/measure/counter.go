// Package measure sees what happens in the lab from outside of whom it
// measures: the kernel counts connections, the kernel tells of bans, the node's
// log and the attackers' own accounts are read afterwards.
package measure

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/p2pban/p2pban/internal/netnstest"
)

// The counter remembers each new connection in sets of the kernel: a TCP one by
// source, port and first sequence number, a QUIC one by source, port and the
// first eight bytes of the connection id that the client has drawn (RFC 9000,
// 7.2: at least eight bytes, in an Initial packet, 17.2.2; the shorter ids that
// go-libp2p's servers hand out are not counted). So what is sent again counts
// once.
//
// offered stands before p2pban's chain (priority -300), reached after it and
// after fail2ban's (input, priority -1): what is there, the node has to serve.
const counterRules = `
table inet lab {
	set offered_tcp4  { typeof ip saddr . tcp sport . tcp sequence;   flags dynamic; size 4000000; }
	set offered_tcp6  { typeof ip6 saddr . tcp sport . tcp sequence;  flags dynamic; size 4000000; }
	set offered_quic4 { typeof ip saddr . udp sport . @th,112,64;     flags dynamic; size 4000000; }
	set offered_quic6 { typeof ip6 saddr . udp sport . @th,112,64;    flags dynamic; size 4000000; }
	set reached_tcp4  { typeof ip saddr . tcp sport . tcp sequence;   flags dynamic; size 4000000; }
	set reached_tcp6  { typeof ip6 saddr . tcp sport . tcp sequence;  flags dynamic; size 4000000; }
	set reached_quic4 { typeof ip saddr . udp sport . @th,112,64;     flags dynamic; size 4000000; }
	set reached_quic6 { typeof ip6 saddr . udp sport . @th,112,64;    flags dynamic; size 4000000; }

	chain offered {
		type filter hook prerouting priority -310;
		ip version 4 tcp flags & (fin|syn|rst|ack) == syn add @offered_tcp4 { ip saddr . tcp sport . tcp sequence }
		ip6 version 6 tcp flags & (fin|syn|rst|ack) == syn add @offered_tcp6 { ip6 saddr . tcp sport . tcp sequence }
		ip version 4 udp dport 4001 @th,64,8 & 0xf0 == 0xc0 @th,104,8 >= 8 add @offered_quic4 { ip saddr . udp sport . @th,112,64 }
		ip6 version 6 udp dport 4001 @th,64,8 & 0xf0 == 0xc0 @th,104,8 >= 8 add @offered_quic6 { ip6 saddr . udp sport . @th,112,64 }
	}
	chain reached {
		type filter hook input priority 300;
		ip version 4 tcp flags & (fin|syn|rst|ack) == syn add @reached_tcp4 { ip saddr . tcp sport . tcp sequence }
		ip6 version 6 tcp flags & (fin|syn|rst|ack) == syn add @reached_tcp6 { ip6 saddr . tcp sport . tcp sequence }
		ip version 4 udp dport 4001 @th,64,8 & 0xf0 == 0xc0 @th,104,8 >= 8 add @reached_quic4 { ip saddr . udp sport . @th,112,64 }
		ip6 version 6 udp dport 4001 @th,64,8 & 0xf0 == 0xc0 @th,104,8 >= 8 add @reached_quic6 { ip6 saddr . udp sport . @th,112,64 }
	}
}
`

// Counts are new connections to the victim by source.
type Counts struct {
	// Offered were sent; Reached were not kept out by anybody.
	Offered, Reached map[netip.Addr]int
}

// Count begins to count in a namespace.
func Count(ns *netnstest.NS) error {
	_, err := nft(ns, counterRules, "-f", "-")
	if err != nil {
		return fmt.Errorf("the lab's counter: %w", err)
	}
	return nil
}

// Read gives the counts since Count.
func Read(ns *netnstest.NS) (Counts, error) {
	c := Counts{map[netip.Addr]int{}, map[netip.Addr]int{}}
	out, err := nft(ns, "", "-j", "list", "table", "inet", "lab")
	if err != nil {
		return c, fmt.Errorf("the lab's counter: %w", err)
	}
	// libnftables-json(5): an element of a set with several keys is a concat.
	var all struct {
		Nftables []struct {
			Set struct {
				Name string
				Elem []struct{ Concat []any }
			}
		}
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return c, fmt.Errorf("the lab's counter: %w", err)
	}
	for _, o := range all.Nftables {
		to := c.Reached
		if strings.HasPrefix(o.Set.Name, "offered") {
			to = c.Offered
		}
		for _, e := range o.Set.Elem {
			text, _ := e.Concat[0].(string)
			a, err := netip.ParseAddr(text)
			if err != nil {
				return c, fmt.Errorf("the lab's counter: %w", err)
			}
			to[a]++
		}
	}
	return c, nil
}

// Of adds up what came from some addresses.
func Of(counts map[netip.Addr]int, from func(netip.Addr) bool) int {
	sum := 0
	for a, n := range counts {
		if from(a) {
			sum += n
		}
	}
	return sum
}

func nft(ns *netnstest.NS, stdin string, args ...string) ([]byte, error) {
	cmd := exec.Command("nft", args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := ns.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("nft: %w: %s", err, errs.String())
	}
	return []byte(out.String()), nil
}
