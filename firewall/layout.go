package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Everything of ours in nftables stands in one table of this name, family inet.
const tableName = "p2pban"

// setID names one set of the layout: the bans of one family and prefix length.
// A packet's address is masked to the length and looked up, so a ban of any
// length is one element of a hash set: it costs the same whatever else is
// banned, has a timeout and a counter of its own, and can overlap a wider or
// narrower ban without either knowing of the other. (Interval sets refuse
// overlaps, and merging them would tie together bans that end at different
// times.)
type setID struct {
	v6   bool
	bits int
}

// The sets every table has, banned or not: hosts, and the /64 that is the
// default for IPv6. Other lengths come with their first ban.
func basicSets() []setID {
	return []setID{{false, 32}, {true, 128}, {true, 64}}
}

func setOf(p netip.Prefix) setID { return setID{p.Addr().Is6(), p.Bits()} }

func (s setID) String() string {
	name := "ipv4"
	if s.v6 {
		name = "ipv6"
	}
	if s.bits == s.addrBits() {
		return name
	}
	return fmt.Sprintf("%s_%d", name, s.bits)
}

func (s setID) addrBits() int {
	if s.v6 {
		return 128
	}
	return 32
}

func (s setID) host() bool { return s.bits == s.addrBits() }

// mask is the netmask, as an address.
func (s setID) mask() netip.Addr {
	ones := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	if s.v6 {
		all := [16]byte{}
		for i := range all {
			all[i] = 255
		}
		ones = netip.AddrFrom16(all)
	}
	p, err := ones.Prefix(s.bits)
	if err != nil {
		panic(err) // bits is within the family by construction
	}
	return p.Addr()
}

// parseSetID is the inverse of String.
func parseSetID(name string) (setID, bool) {
	family, length, masked := strings.Cut(name, "_")
	s := setID{v6: family == "ipv6"}
	s.bits = s.addrBits()
	if masked {
		s.bits, _ = strconv.Atoi(length)
	}
	return s, s.String() == name
}

// compareSets orders sets as rules stand in a chain: the likeliest first.
func compareSets(a, b setID) int {
	if a.v6 != b.v6 {
		if b.v6 {
			return -1
		}
		return 1
	}
	return b.bits - a.bits
}

// chain is one of our base chains.
type chain struct {
	name string
	hook string
}

// Both chains run at priority raw (-300): before connection tracking, so that
// an established flow is dropped like a new one, and before destination NAT,
// so that ports published for containers are covered.
const chainPriority = -300

var (
	prerouting = chain{"prerouting", "prerouting"}
	output     = chain{"output", "output"}
)

func chains() []chain { return []chain{prerouting, output} }

// rule drops packets whose source (or destination) address is in a set, if
// they are of the given protocols and ports.
type rule struct {
	chain     chain
	set       setID
	source    bool // match the source address, else the destination
	protocols bool // only the protocols in the set named protocolsSet
	ports     bool // only the ports in the set named portsSet
}

// The names of the sets that hold Options.Protocols and .Ports.
const (
	protocolsSet = "protocols"
	portsSet     = "ports"
)

// rulesFor lists every rule of a chain. In prerouting the source stops what
// comes in, local or forwarded, and the destination stops what a container
// behind us sends out, which never passes output.
func rulesFor(c chain, sets []setID, o Options) []rule {
	var rules []rule
	for _, s := range sets {
		r := rule{chain: c, set: s, protocols: len(o.protocols()) > 0, ports: len(o.Ports) > 0}
		if c == prerouting {
			r.source = true
			rules = append(rules, r)
			r.source = false
		}
		rules = append(rules, r)
	}
	return rules
}

func sortedSets(in map[setID]bool) []setID {
	var out []setID
	for s := range in {
		out = append(out, s)
	}
	slices.SortFunc(out, compareSets)
	return out
}
