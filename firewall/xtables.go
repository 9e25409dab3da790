package firewall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// xtables is one of the iptables programs: a family of a variant.
type xtables struct {
	v6 bool
	// program is iptables, or one variant of it by name (iptables-legacy).
	program string
}

// ruleComment marks our rules; it is how we find them again. Those that a
// process keeps for itself have a claim in its place.
const ruleComment = "p2pban"

// commentOf is the comment of a rule as iptables-save writes it; one that has a
// space is none of ours and comes as its first word.
func commentOf(rule string) string {
	_, rest, _ := strings.Cut(rule, " --comment ")
	comment, _, _ := strings.Cut(rest, " ")
	return comment
}

// isOurs says whether a comment marks a rule of ours, and nothing that an
// operator may have called by our name.
func isOurs(comment string) bool {
	var pid, uid int
	var name string
	_, err := fmt.Sscanf(comment, rulesClaim, &pid, &uid, &name)
	return comment == ruleComment || err == nil && comment == fmt.Sprintf(rulesClaim, pid, uid, name)
}

// rules lists ours in the words of iptables-save: table raw comes before
// connection tracking and NAT, like the chains of the nftables backend.
func (x xtables) rules(o Options) []string {
	var rules []string
	comment := cmp.Or(o.comment, ruleComment)
	for _, match := range portMatches(o) {
		for _, side := range []struct{ chain, direction, port string }{
			{"PREROUTING", "src", "dports"}, {"PREROUTING", "dst", "sports"}, {"OUTPUT", "dst", "sports"},
		} {
			rule := "-A " + side.chain
			if match.protocol != 0 {
				rule += " -p " + match.protocol.String()
			}
			if match.ports != "" {
				rule += " -m multiport --" + side.port + " " + match.ports
			}
			rules = append(rules, rule+" -m set --match-set "+ipsetOf(x.v6)+" "+side.direction+
				" -m comment --comment "+comment+" -j DROP")
		}
	}
	return rules
}

type portMatch struct {
	protocol Protocol // zero: all
	ports    string   // empty: all
}

// portMatches splits the options into what single iptables rules can match:
// one protocol, and at most 15 ports (iptables-extensions(8), multiport).
func portMatches(o Options) []portMatch {
	if len(o.protocols()) == 0 {
		return []portMatch{{}}
	}
	const maxPorts = 15
	var out []portMatch
	for _, p := range o.protocols() {
		if len(o.Ports) == 0 {
			out = append(out, portMatch{protocol: p})
		}
		for chunk := range slices.Chunk(o.Ports, maxPorts) {
			var ports []string
			for _, port := range chunk {
				ports = append(ports, strconv.Itoa(int(port)))
			}
			out = append(out, portMatch{p, strings.Join(ports, ",")})
		}
	}
	return out
}

// standing lists our rules as they stand.
func (x xtables) standing(ctx context.Context) ([]string, error) {
	ours, _, err := x.saved(ctx)
	return ours, err
}

// saved lists our rules as they stand, and gives the first rule of others that lets
// packets pass before they come to ours, "" if there is none. What another's chain
// does, into which a rule jumps, is not looked into: Calico's is always put first.
func (x xtables) saved(ctx context.Context) (ours []string, bypass string, err error) {
	text, err := execute(ctx, "", x.program+"-save", "-t", "raw")
	if err != nil {
		return nil, "", err
	}
	passing := map[string]string{} // the first such rule of a chain
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "-A ") {
			continue
		}
		chain := strings.Fields(line)[1]
		switch {
		case isOurs(commentOf(line)):
			ours, bypass = append(ours, line), cmp.Or(bypass, passing[chain])
		case strings.HasSuffix(line, " -j ACCEPT"), strings.HasSuffix(line, " -j RETURN"):
			passing[chain] = cmp.Or(passing[chain], line)
		}
	}
	return ours, bypass, nil
}

// replace takes out the rules in old and puts those in fresh at the head of
// their chains, in one transaction.
func (x xtables) replace(ctx context.Context, old, fresh []string) error {
	var script strings.Builder
	script.WriteString("*raw\n")
	for _, r := range old {
		script.WriteString(strings.Replace(r, "-A ", "-D ", 1) + "\n")
	}
	for _, r := range slices.Backward(fresh) { // each is put before the last
		script.WriteString(strings.Replace(r, "-A ", "-I ", 1) + "\n")
	}
	script.WriteString("COMMIT\n")
	_, err := execute(ctx, script.String(), x.program+"-restore", "--noflush", "--wait", lockSeconds)
	return err
}

// clear takes out our rules and says whether there were any.
func (x xtables) clear(ctx context.Context) (bool, error) {
	stand, err := x.standing(ctx)
	if err != nil || len(stand) == 0 {
		return false, err
	}
	return true, x.replace(ctx, stand, nil)
}

// variant asks which of the two rulesets a program works on: "nf_tables" or
// "legacy". A kernel uses both at once, so rules must go where the host's
// other rules are: where the plain name iptables leads.
func (x xtables) variant(ctx context.Context) (string, error) {
	said, err := execute(ctx, "", x.program, "--version")
	if err != nil {
		return "", err
	}
	_, v, _ := strings.Cut(said, "(")
	v, _, _ = strings.Cut(v, ")")
	if v == "" {
		v = "legacy" // before 1.8 there was no other
	}
	return v, nil
}

// hostXTables returns the iptables programs of the host, and the variant they
// are. IPv6 is left out where the kernel has none.
func hostXTables(ctx context.Context) ([]xtables, string, error) {
	families := []xtables{{false, "iptables"}}
	if _, err := os.Stat("/proc/thread-self/net/if_inet6"); err == nil {
		families = append(families, xtables{true, "ip6tables"})
	}
	var variants []string
	for _, x := range families {
		v, err := x.variant(ctx)
		if err != nil {
			return nil, "", err
		}
		variants = append(variants, v)
	}
	if len(slices.Compact(variants)) > 1 {
		return nil, "", fmt.Errorf("%w: iptables is of the %s variant and ip6tables is not; make them agree (update-alternatives --config ip6tables)", ErrUnsupported, variants[0])
	}
	return families, variants[0], nil
}

// otherXTables returns the programs of both variants by name, for finding what
// an earlier run left in the other one. The legacy ones are named only where
// their table may be in use: asking them creates it.
func otherXTables() []xtables {
	all := []xtables{{false, "iptables-nft"}, {true, "ip6tables-nft"}}
	if legacyRawInUse("/proc/thread-self/net/ip_tables_names") {
		all = append(all, xtables{false, "iptables-legacy"})
	}
	if legacyRawInUse("/proc/thread-self/net/ip6_tables_names") {
		all = append(all, xtables{true, "ip6tables-legacy"})
	}
	return all
}

// legacyRawInUse reads the kernel's list of legacy tables, which does not exist
// where there are none, and which only root may read.
func legacyRawInUse(names string) bool {
	list, err := os.ReadFile(names)
	if errors.Is(err, os.ErrPermission) {
		return true
	}
	return slices.Contains(strings.Fields(string(list)), "raw")
}
