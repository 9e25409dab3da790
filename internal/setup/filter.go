package setup

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/p2pban/p2pban/parser"
)

// filter is what a jail of fail2ban looks for.
type filter struct {
	name string
	// commented is set where the name has a "#" behind it.
	commented bool
	// regex is all its patterns, and the jail's own; match its journalmatch.
	regex, match string
	// ignore is what the filter's own file leaves out, and where it says so.
	ignore, ignoreAt string
	missing          bool
}

// filter reads the jail's filter: NAME, or NAME[option=value, …].
func (j *move) filter() filter {
	v, _ := j.get("filter")
	name := clean(v.raw)
	f := filter{commented: name != v.raw}
	name, _, _ = strings.Cut(name, "[")
	f.name = strings.TrimSpace(name)
	own, _ := j.get("failregex")
	f.regex = own.raw
	if f.name == "" {
		return f
	}
	x, err := readIni(filepath.Join(j.m.dir, "filter.d"), f.name)
	if err != nil {
		f.missing = true
		return f
	}
	regex, _ := x.get("Definition", "failregex")
	match, _ := x.get("Definition", "journalmatch")
	f.regex, f.match = f.regex+"\n"+regex.raw, match.raw
	if ignore, ok := x.get("Definition", "ignoreregex"); ok {
		f.ignore = strings.Join(strings.Fields(ignore.raw), " ")
		f.ignoreAt = place(ignore.file, x.line("Definition", "ignoreregex"))
	}
	return f
}

// The names of go-libp2p's records, as they stand in filters.
const (
	peerStatus  = "CANONICAL_PEER_STATUS"
	misbehaving = "CANONICAL_MISBEHAVING_PEER"
)

// concerns tells whether a jail is about a libp2p node: by what it looks for,
// or by its names.
func (f filter) concerns(section string, j *move) bool {
	if strings.Contains(f.regex, "CANONICAL_") {
		return true
	}
	names := []string{section, f.name, j.text("journalmatch"), j.text("logpath")}
	return strings.Contains(strings.ToLower(section+f.name), "libp2p") || programOf(names...) != ""
}

// rulesFor gives the rules that look for what the filter does, and whether that
// could be told.
func (f filter) rulesFor(rs *parser.Ruleset, program string) (rules []string, sure bool) {
	status := strings.Contains(f.regex, peerStatus)
	if status {
		// A pattern that says which of the two it wants names it.
		established := strings.Contains(f.regex, "connection_status")
		handshake := strings.Contains(f.regex, "handshake_failure")
		if established || !handshake {
			rules = append(rules, "go-libp2p/connection")
		}
		if handshake || !established {
			rules = append(rules, "go-libp2p/handshake")
		}
	}
	if strings.Contains(f.regex, misbehaving) {
		rules = append(rules, "go-libp2p/misbehaving")
	}
	if rules != nil {
		return rules, true
	}
	if program == "" {
		program = "go-libp2p"
	}
	for _, r := range rulesOf(rs, program) {
		rules = append(rules, r.Name)
	}
	return rules, false
}

// filterItems says what became of the filter.
func (j *move) filterItems(f filter) {
	if f.commented {
		j.note("filter", Fault, "", inlineComment+": there is no filter of that name, `fail2ban-client -t` refuses the jail, and it never ran")
	}
	if f.missing {
		j.note("filter", Fault, "", "filter.d has no "+f.name+": fail2ban can't run this jail")
	}
	rules, sure := j.rules(f)
	why := "the rules read the lines of every version, from their start, and take no address out of a stranger's text; a pattern is never taken over"
	if strings.Contains(f.regex, peerStatus) && !strings.Contains(f.regex, "msg=") {
		why += ". This one finds nothing in what go-libp2p writes from v0.44 on, and also counts peers that the node dialled, and relays (docs/fail2ban.md)"
	}
	if !sure {
		why = "its pattern is not one of a record that the rules know; these read such a node's log. Look with `p2pban explain` whether they are what you meant. " + why
	}
	j.note("filter", Changed, "rules = "+array(rules), why)
	if f.ignore != "" {
		j.items = append(j.items, Item{f.ignoreAt, "ignoreregex", f.ignore, Dropped, "",
			"what the filter leaves out counts here: narrow the rules, or name who is meant in ignoreip"})
	}
	for _, option := range []string{"failregex", "ignoreregex"} {
		if j.own(option) {
			j.note(option, Dropped, "", "a pattern is never taken over; p2pban's own rules are written in TOML (rulefiles)")
		}
	}
}

func (j *move) rules(f filter) ([]string, bool) {
	return f.rulesFor(j.m.rules, programOf(j.section, f.name, j.text("journalmatch"), j.text("logpath")))
}

// bySample splits rules into those whose lines stand for many events and those
// whose lines stand for one.
func (j *move) bySample(rules []string) (sampled, single []string) {
	for _, name := range rules {
		if r := j.m.rules.Lookup(name); r != nil && r.Weight == "sample_rate" {
			sampled = append(sampled, name)
		} else {
			single = append(single, name)
		}
	}
	return slices.Clip(sampled), slices.Clip(single)
}
