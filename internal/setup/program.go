package setup

import (
	"slices"
	"strings"
	"unicode"

	"github.com/p2pban/p2pban/parser"
)

// programs are the words by which units, programs, images and directories of
// nodes are known, the more special ones first, and what they run: an
// implementation of the rules or a Borrower.
var programs = []struct{ words, implementation string }{
	{"ipfs-cluster", "go-libp2p"},
	{"ipfs", "kubo"}, {"kubo", "kubo"},
	{"lotus", "lotus"},
	{"celestia", "celestia"},
	{"prysm", "prysm"}, {"beacon-chain", "prysm"},
	{"op-node", "op-node"},
	{"lighthouse", "lighthouse"},
	{"grandine", "grandine"},
	{"lodestar", "lodestar"},
	{"go-waku", "go-waku"},
	{"nwaku", "nwaku"}, {"wakunode2", "nwaku"}, {"logosdelivery", "nwaku"}, {"logosdeliverynode", "nwaku"},
	{"avail-light", "avail"},
	{"polkadot", "polkadot-sdk"}, {"substrate", "polkadot-sdk"},
	{"teku", "teku"}, {"nimbus", "nimbus"}, {"bee", "bee"}, {"erigon", "erigon"}, {"forest", "forest"},
}

// programOf tells which node the first of these names that is known runs.
func programOf(names ...string) string {
	for _, name := range names {
		words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		joined := "-" + strings.Join(words, "-") + "-"
		for _, p := range programs {
			if strings.Contains(joined, "-"+p.words+"-") {
				return p.implementation
			}
		}
	}
	return ""
}

// rulesOf gives the rules, on by default, that read the log of a node.
func rulesOf(rs *parser.Ruleset, implementation string) []*parser.Rule {
	names, err := rs.Expand([]string{implementation + "/*"})
	if err != nil { // it has none
		return nil
	}
	rules := make([]*parser.Rule, len(names))
	for i, name := range names {
		rules[i] = rs.Lookup(name)
	}
	return rules
}

// silent says why a node's log holds nothing that a rule knows.
func (l *looker) silent(f Found) (missing, notes []string) {
	rules := rulesOf(l.opts.Ruleset, f.Program)
	if len(rules) == 0 {
		for _, u := range l.opts.Ruleset.Unruled() {
			if u.Implementation == f.Program {
				notes = append(notes, "nothing to judge by: of the line “"+u.Record+"”: "+u.Because)
			}
		}
		for _, r := range l.opts.Ruleset.Rules() {
			if r.Implementation == f.Program {
				notes = append(notes, "the rule "+r.Name+" reads it if a jail of yours names it; it is off by default, for honest peers cause such lines too: "+r.FalsePositives+". Set on the node: "+r.Setting)
			}
		}
		return nil, notes
	}
	for _, r := range rules {
		if free, _, _ := strings.Cut(r.Setting, " "); strings.TrimRight(free, ":,") == "none" {
			notes = append(notes, "its lines need no setting ("+r.Setting+"); so far it has accused nobody")
		} else if !slices.Contains(missing, r.Setting) {
			missing = append(missing, r.Setting)
		}
	}
	for _, b := range l.opts.Ruleset.Borrowers() {
		if b.Implementation == f.Program && b.Notes != "" {
			notes = append(notes, strings.Join(strings.Fields(b.Notes), " "))
		}
	}
	slices.Sort(notes)
	return missing, slices.Compact(notes)
}
