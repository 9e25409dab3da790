package parser

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Rule says which records are an offence, whose, and how much one weighs. It is
// loaded from TOML and never changes.
type Rule struct {
	// Name is the full name, "go-libp2p/connection".
	Name string
	// Implementation is the part before the slash.
	Implementation string
	// Summary is one sentence for people.
	Summary string
	// Default tells whether "implementation/*" includes the rule.
	Default bool
	// Weight is the field that holds it ("sample_rate") or a number.
	Weight string
	// Setting is what the operator sets on the node for the line to appear.
	Setting string
	// FalsePositives says when an honest peer causes the line.
	FalsePositives string
	// Source names the repository, file and versions that print the line.
	Source string
	// BeforeHandshake says that the line comes before the peer has proven its
	// address: it is believed only of TCP, whose own handshake does so.
	BeforeHandshake bool
	// Formats are the framings the rule reads; all if empty.
	Formats []string

	file    string
	line    int
	weight  int64
	records []pattern
}

// Position is where the rule stands: "rules/go-libp2p.toml:12".
func (r *Rule) Position() string { return fmt.Sprintf("%s:%d", r.file, r.line) }

// Unruled is a line of a libp2p implementation that deserves no rule, or an
// implementation that prints none, with the reason.
type Unruled struct {
	Implementation string
	// Record names the line: its message or its logger.
	Record string
	// Because says why a ban on it would be wrong or impossible.
	Because string
	// Source names the repository, file and versions.
	Source string

	records []pattern
}

// Borrower is an implementation that logs through another's code, so that the
// other's rules read its log: "kubo/*" means "go-libp2p/*".
type Borrower struct {
	Implementation string
	// Uses are patterns as in Expand that name rules: borrowing goes one step.
	Uses []string
	// Notes says what differs: default levels, settings, versions.
	Notes string

	file string
	line int
}

// Ruleset is a collection of rules by full name, in the order of their files.
type Ruleset struct {
	rules     []*Rule
	noRules   []Unruled
	borrowers []Borrower
}

// Borrowers gives the implementations that use others' rules, in order.
func (rs *Ruleset) Borrowers() []Borrower { return slices.Clone(rs.borrowers) }

// Rules gives every rule, in order. The rules are shared: read only.
func (rs *Ruleset) Rules() []*Rule { return slices.Clone(rs.rules) }

// Unruled gives what is deliberately without a rule, in order.
func (rs *Ruleset) Unruled() []Unruled { return slices.Clone(rs.noRules) }

// Lookup gives the rule of that full name, or nil.
func (rs *Ruleset) Lookup(name string) *Rule {
	for _, r := range rs.rules {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Add puts the rules of more behind those of rs. A name that is already taken
// is an error that names both places, and nothing is added.
func (rs *Ruleset) Add(more *Ruleset) error {
	for _, r := range more.rules {
		if old := rs.Lookup(r.Name); old != nil {
			return fmt.Errorf("%s: rule %q is already defined at %s", r.Position(), r.Name, old.Position())
		}
	}
	rs.rules = append(rs.rules, more.rules...)
	rs.noRules = append(rs.noRules, more.noRules...)
	rs.borrowers = append(rs.borrowers, more.borrowers...)
	return nil
}

// Expand turns what stands in a jail's rules into full names, without repeats
// and in the order written: "go-libp2p/*" into the rules of that implementation
// that are on by default, "*" into all that are, a full name into itself even
// when it is off by default. A name that no rule has is an error that says
// which are near.
func (rs *Ruleset) Expand(patterns []string) ([]string, error) {
	var names []string
	for _, p := range patterns {
		found, err := rs.expand(p)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// expand gives the full names for one pattern.
func (rs *Ruleset) expand(p string) ([]string, error) {
	names, known := rs.named(p)
	for _, b := range rs.borrowers {
		if p != b.Implementation+"/*" {
			continue
		}
		known = true
		for _, used := range b.Uses {
			more, ok := rs.named(used)
			if !ok {
				return nil, fmt.Errorf("%s:%d: uses: no implementation has rules of its own called %q%s", b.file, b.line, used, didYouMean(rs.nearest(used)))
			}
			names = append(names, more...)
		}
	}
	if !known {
		return nil, rs.unknown(p)
	}
	return names, nil
}

// named gives the full names for a pattern that names rules and no borrower; known
// is false when no rule is called so.
func (rs *Ruleset) named(p string) (names []string, known bool) {
	impl, star := strings.CutSuffix(p, "*")
	for _, r := range rs.rules {
		switch {
		case !star && r.Name == p:
			return []string{p}, true
		case star && (impl == "" || r.Implementation+"/" == impl):
			known = true
			if r.Default {
				names = append(names, r.Name)
			}
		}
	}
	return names, known
}

// unknown is the error for a pattern that names no rule.
func (rs *Ruleset) unknown(p string) error {
	best := didYouMean(rs.nearest(p))
	if impl, _, ok := strings.Cut(p, "/"); ok && len(rs.namesOf(impl)) > 0 {
		return fmt.Errorf("no rule %q%s; %s has %s", p, best, impl, strings.Join(rs.namesOf(impl), ", "))
	}
	var impls []string
	for _, r := range rs.rules {
		impls = append(impls, r.Implementation+"/*")
	}
	for _, b := range rs.borrowers {
		impls = append(impls, b.Implementation+"/*")
	}
	slices.Sort(impls)
	return fmt.Errorf("no rule %q%s; there are %s", p, best, strings.Join(slices.Compact(impls), ", "))
}

// nearest gives the pattern of a rule or of an implementation's rules that p was
// probably meant for, or "".
func (rs *Ruleset) nearest(p string) string {
	best, bestDistance := "", len(p)/2+1
	for _, r := range rs.rules {
		for _, candidate := range [...]string{r.Name, r.Implementation + "/*"} {
			if d := levenshtein.ComputeDistance(p, candidate); d < bestDistance {
				best, bestDistance = candidate, d
			}
		}
	}
	return best
}

func didYouMean(best string) string {
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

func (rs *Ruleset) namesOf(impl string) []string {
	var names []string
	for _, r := range rs.rules {
		if r.Implementation == impl {
			names = append(names, r.Name)
		}
	}
	return names
}
