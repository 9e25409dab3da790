package firewall

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The sets of the iptables backend, one a family. A hash:net set holds
// prefixes of all lengths, and overlaps are no matter (ipset(8)).
const (
	ipset4 = "p2pban4"
	ipset6 = "p2pban6"
	// spare is the suffix of the set that Init fills and then swaps in.
	spare = "-new"
)

const (
	// maxIPSetTimeout is the longest timeout ipset takes: 2147483 s, 24.8 days.
	maxIPSetTimeout = 2147483 * time.Second
	// maxIPSetElements is the bound a set must have; ipset's default of 65536
	// is less than one flood may bring. It reserves nothing.
	maxIPSetElements = 4 << 20
)

func ipsetOf(v6 bool) string {
	if v6 {
		return ipset6
	}
	return ipset4
}

// ipsetScript is what `ipset restore -exist` reads.
type ipsetScript struct{ strings.Builder }

// create makes a set with room in its table for n elements.
func (s *ipsetScript) create(name string, v6 bool, n int) {
	family := "inet"
	if v6 {
		family = "inet6"
	}
	const perBucket = 4 // elements, below ipset's default bucketsize of 12
	size := 1024
	for size < n/perBucket {
		size *= 2
	}
	fmt.Fprintf(s, "create %s hash:net family %s hashsize %d maxelem %d timeout 0 counters\n", name, family, size, maxIPSetElements)
}

// add installs a ban or moves its end. Timeouts are whole seconds, so a ban
// may last up to one longer; 0 is for ever.
func (s *ipsetScript) add(name string, e ipsetEntry) {
	seconds := int64((min(e.timeout, maxIPSetTimeout) + time.Second - 1) / time.Second)
	fmt.Fprintf(s, "add %s %s timeout %d\n", name, e.prefix, seconds)
}

func (s *ipsetScript) del(name string, p netip.Prefix) { fmt.Fprintf(s, "del %s %s\n", name, p) }

// ipsetEntry is one member of a set; a timeout of zero is for ever.
type ipsetEntry struct {
	prefix  netip.Prefix
	timeout time.Duration
}

// ipsetEntries turns bans into entries. Those that have ended come back apart.
func ipsetEntries(bans []Ban, now time.Time) (entries []ipsetEntry, ended []netip.Prefix, err error) {
	for _, b := range bans {
		p, err := Clean(b.Prefix)
		if err != nil {
			return nil, nil, err
		}
		e := ipsetEntry{prefix: p}
		if !b.Until.IsZero() {
			if e.timeout = b.Until.Sub(now); e.timeout <= 0 {
				ended = append(ended, p)
				continue
			}
		}
		entries = append(entries, e)
	}
	return entries, ended, nil
}

// parseIPSet reads the members from what `ipset save` prints of a set:
// add NAME PREFIX timeout SECONDS packets N bytes N.
func parseIPSet(saved string, now time.Time) ([]Ban, error) {
	var bans []Ban
	for line := range strings.Lines(saved) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "add" {
			continue
		}
		prefix, err := parseMember(words[2])
		if err != nil {
			return nil, fmt.Errorf("ipset says %q: %w", strings.TrimSpace(line), err)
		}
		ban := Ban{Prefix: prefix}
		for i := 3; i+1 < len(words); i += 2 {
			n, err := strconv.ParseUint(words[i+1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("ipset says %q: %w", strings.TrimSpace(line), err)
			}
			switch words[i] {
			case "timeout":
				if n > 0 {
					ban.Until = now.Add(time.Duration(n) * time.Second)
				}
			case "packets":
				ban.Packets = n
			}
		}
		bans = append(bans, ban)
	}
	return bans, nil
}

// parseMember reads a prefix, which ipset prints without length when it is a
// single host.
func parseMember(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// ipsetNames gives the names of all sets, ours and others.
func ipsetNames(ctx context.Context) ([]string, error) {
	said, err := execute(ctx, "", "ipset", "list", "-n")
	return strings.Fields(said), err
}
