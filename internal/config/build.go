package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
)

// build fills c from the merged files.
func (l *loader) build(c *Config, n *node) {
	top := l.section("", "", n)
	top.ruleFiles(c)
	if n, ok := top.get("source"); ok {
		for _, s := range l.section("source", "source", n).sub("source.*") {
			c.Sources = append(c.Sources, s.source())
		}
	}
	n, named := top.get("jail")
	if named {
		for _, s := range l.section("jail", "jail", n).sub("jail.*") {
			c.Jails = append(c.Jails, s.jail(c.Ruleset))
		}
	}
	if len(c.Jails) == 0 {
		l.problem(top.at("jail"), "jail", "no jail is named, so nothing would be judged",
			"add [jail.NAME]; built in, needing no keys, are "+strings.Join(builtinNames(), ", "))
	}
	if n, ok := top.get("firewall"); ok {
		l.section("firewall", "firewall", n).firewall(&c.Firewall)
	}
	if n, ok := top.get("daemon"); ok {
		l.section("daemon", "daemon", n).daemon(&c.Daemon)
	}
	if n, ok := top.get("metrics"); ok {
		l.section("metrics", "metrics", n).metrics(&c.Metrics)
	}
	top.done()
}

// ruleFiles adds the operator's own rules to the built-in ones.
func (s *section) ruleFiles(c *Config) {
	var globs []string
	s.strings("rulefiles", &globs, func(glob string) error {
		if err := absoluteGlob(glob); err != nil {
			return err
		}
		paths, _ := filepath.Glob(glob) // its syntax is right
		if len(paths) == 0 {
			return fmt.Errorf("%q is no file", glob)
		}
		for _, path := range paths {
			if err := addRules(c.Ruleset, path); err != nil {
				return err
			}
		}
		c.Warnings = append(c.Warnings, writableByOthers(paths)...)
		return nil
	})
}

// addRules adds the rules of one file, if all of them are right.
func addRules(rs *parser.Ruleset, path string) error {
	f, err := OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	more, err := parser.LoadRules(path, f)
	if err != nil {
		return err
	}
	return rs.Add(more)
}

func (s *section) source() Source {
	src := Source{Name: s.bare}
	if err := checkName(src.Name); err != nil {
		s.l.problem(s.node, s.name, err.Error(), "")
	}
	s.strings("file", &src.Files, absoluteGlob)
	s.strings("unit", &src.Units, notEmpty)
	s.strings("userunit", &src.UserUnits, notEmpty)
	s.strings("match", &src.Matches, journalMatch)
	s.str("directory", &src.Directory)
	s.strings("container", &src.Containers, notEmpty)
	s.strings("label", &src.Labels, notEmpty)
	s.choice("format", &src.Format, parser.Formats())
	s.boolean("fromstart", &src.FromStart)
	s.boolean("trust", &src.Trust)
	s.done()
	s.oneKind()
	s.forgeable(src)
	if src.Directory != "" && !filepath.IsAbs(src.Directory) {
		s.l.problem(s.at("directory"), s.key("directory"), fmt.Sprintf("%q is not an absolute path", src.Directory), "")
	}
	return src
}

// sourceKinds are the keys that say where a source's lines come from, by kind.
var sourceKinds = [][]string{{"file"}, {"unit", "userunit", "match", "directory"}, {"container", "label"}}

// oneKind holds a source to one kind of place.
func (s *section) oneKind() {
	var first string
	var firstKind []string
	for _, kind := range sourceKinds {
		for _, key := range kind {
			_, has := s.get(key)
			switch {
			case !has:
			case first == "":
				first, firstKind = key, kind
			case !slices.Equal(kind, firstKind):
				s.l.problem(s.at(key), s.key(key), fmt.Sprintf("a source with %s can't have %s", first, key), "make two sources of it")
				return
			}
		}
	}
	if first == "" || first == "directory" {
		s.l.problem(s.node, s.name, "does not say where the lines are",
			`write unit = "ipfs.service", file = "/var/log/ipfs/*.log" or container = "kubo"`)
	}
}

// journalMatch judges FIELD=value, as journalctl takes it.
func journalMatch(s string) error {
	if field, _, ok := strings.Cut(s, "="); !ok || field == "" || strings.ToUpper(field) != field {
		return fmt.Errorf("%q: expected FIELD=value, for example _UID=1000", s)
	}
	return nil
}

// checkName judges the name of a source as jail.Config judges a jail's.
func checkName(name string) error {
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return notBare(r) && r != '.' }) {
		return fmt.Errorf("%q is no name; use at most 64 letters, digits, '-', '_' and '.'", name)
	}
	return nil
}

func notEmpty(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	return nil
}

func absoluteGlob(s string) error {
	if !filepath.IsAbs(s) {
		return fmt.Errorf("%q is not an absolute path", s)
	}
	if _, err := filepath.Match(s, ""); err != nil {
		return fmt.Errorf("%q is no valid glob: %w", s, err)
	}
	return nil
}

// choice is str with a closed list of values.
func (s *section) choice(key string, to *string, values []string) {
	s.str(key, to)
	if n, ok := s.node.table[key]; ok && n.value == any(*to) && !slices.Contains(values, *to) {
		hint := "there are " + strings.Join(values, ", ")
		if best := nearest(*to, values); best != "" {
			hint = fmt.Sprintf("did you mean %q?", best)
		}
		s.l.problem(n, s.key(key), fmt.Sprintf("no %s is called %q", key, *to), hint)
	}
}

// jail reads one jail; one with a built-in's name begins with its settings.
func (s *section) jail(rules *parser.Ruleset) jail.Config {
	c := builtinJails()[s.bare]
	c.Name = s.bare
	before := len(s.l.problems)
	_, builtin := builtinJails()[s.bare]
	s.strings("rules", &c.Rules, func(pattern string) error {
		_, err := rules.Expand([]string{pattern})
		return err
	})
	s.duration("findtime", &c.FindTime, ParseDuration)
	integer(s, "maxretry", &c.MaxRetry)
	s.duration("bantime", &c.BanTime, ParseBanTime)
	s.ignore(&c.IgnoreIP)
	s.number("factor", &c.Factor)
	s.duration("maxbantime", &c.MaxBanTime, ParseDuration)
	s.duration("memory", &c.Memory, ParseDuration)
	integer(s, "ipv6prefix", &c.IPv6Prefix)
	integer(s, "widen", &c.Widen)
	integer(s, "minpeers", &c.MinPeers)
	integer(s, "natpeers", &c.NATPeers)
	s.guard(&c.Guard)
	integer(s, "maxhosts", &c.MaxHosts)
	integer(s, "maxevents", &c.MaxEvents)
	integer(s, "maxbans", &c.MaxBans)
	s.done()
	s.notZero("factor", "maxbantime", "memory", "ipv6prefix", "natpeers",
		"guardshare", "guardleast", "guardrate", "maxhosts", "maxevents", "maxbans")
	if !builtin {
		s.require("rules", "findtime", "maxretry", "bantime")
	}
	s.validate(c, before)
	if expanded, err := rules.Expand(c.Rules); err == nil {
		if len(expanded) == 0 && len(c.Rules) > 0 {
			s.l.problem(s.at("rules"), s.key("rules"), "takes in no rule, so the jail would count nothing: what it names is off by default",
				"name each rule in full, such as "+strings.Join(rulesLike(rules, c.Rules), ", "))
		}
		c.Rules = expanded
	}
	return c
}

// rulesLike gives the full names of the rules that the patterns speak of, those
// that are off by default too, or an example where they only borrow others'.
func rulesLike(rules *parser.Ruleset, patterns []string) []string {
	var names []string
	for _, r := range rules.Rules() {
		if slices.Contains(patterns, r.Implementation+"/*") {
			names = append(names, r.Name)
		}
	}
	if len(names) == 0 {
		return []string{"go-libp2p/connection"}
	}
	return names
}

func (s *section) guard(g *jail.Guard) {
	on := !g.Off
	s.boolean("guard", &on)
	g.Off = !on
	s.number("guardshare", &g.Share)
	integer(s, "guardleast", &g.Least)
	integer(s, "guardrate", &g.Rate)
}

// require reports keys that are missing; in one line where a built-in jail, which
// needs none, was probably meant.
func (s *section) require(keys ...string) {
	missing := slices.DeleteFunc(keys, func(key string) bool { _, ok := s.node.table[key]; return ok })
	if meant := nearest(s.bare, builtinNames()); meant != "" && len(missing) > 0 {
		s.l.problem(s.node, s.name, "is no built-in jail, and has no "+strings.Join(missing, ", "), fmt.Sprintf("did you mean %q?", meant))
		return
	}
	for _, key := range missing {
		s.l.problem(s.node, s.key(key), "is missing",
			fmt.Sprintf("a jail needs it, unless it is a built-in one (%s)", strings.Join(builtinNames(), ", ")))
	}
}

// notZero reports zeros that jail.Config would take for "not set": whoever
// writes memory = "0s" doesn't want the default of a week.
func (s *section) notZero(keys ...string) {
	for _, key := range keys {
		n, ok := s.node.table[key]
		if !ok {
			continue
		}
		text, _ := n.value.(string)
		d, err := ParseDuration(text)
		if n.value == any(int64(0)) || n.value == any(float64(0)) || err == nil && d == 0 {
			s.l.problem(n, s.key(key), "must be above zero", "leave it out for its default")
		}
	}
}

// validate reports what the jail itself finds wrong, except for keys that were
// reported already (problems after before).
func (s *section) validate(c jail.Config, before int) {
	reported := map[string]bool{}
	for _, p := range s.l.problems[before:] {
		reported[p.Key] = true
	}
	if reported[s.name] {
		return // all that is wrong with it
	}
	for _, err := range flatten(c.Validate()) {
		var p *jail.Problem
		if !errors.As(err, &p) {
			s.l.problem(s.node, s.name, err.Error(), "")
			continue
		}
		if key := s.key(p.Key); !reported[key] {
			s.l.problem(s.at(p.Key), key, p.Msg, "")
		}
	}
}

// flatten takes errors.Join apart.
func flatten(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func (s *section) firewall(f *Firewall) {
	s.choice("backend", &f.Backend, Backends)
	s.ports(&f.Ports)
	var protocols []string
	s.strings("protocols", &protocols, func(v string) error {
		p, err := firewall.ParseProtocol(v)
		if err == nil {
			f.Protocols = append(f.Protocols, p)
		}
		return err
	})
	s.boolean("kill_sockets", &f.KillSockets)
	s.str("node_netns", &f.NodeNetNS)
	s.str("kubo_api", &f.KuboAPI)
	s.str("kubo_authorization", &f.KuboAuthorization)
	s.str("denyfile", &f.DenyFile)
	s.done()
	for key, path := range map[string]string{"denyfile": f.DenyFile, "node_netns": f.NodeNetNS} {
		if path != "" && !filepath.IsAbs(path) {
			s.l.problem(s.at(key), s.key(key), fmt.Sprintf("%q is not an absolute path", path), "")
		}
	}
	if f.Backend == "none" && f.KuboAPI == "" && f.DenyFile == "" {
		s.l.problem(s.at("backend"), s.key("backend"), `"none" keeps nobody out`, "name a kubo_api or a denyfile, or another backend")
	}
}

func (s *section) ports(to *[]uint16) {
	n, ok := s.get("ports")
	if !ok {
		return
	}
	items := n.list
	if n.list == nil {
		items = []*node{n}
	}
	for _, item := range items {
		port, ok := item.value.(int64)
		if !ok || port < 1 || port > 65535 {
			s.l.problem(item, s.key("ports"), "expected a port number from 1 to 65535, found "+item.is(), "for example ports = [4001]")
			continue
		}
		*to = append(*to, uint16(port))
	}
}

func (s *section) daemon(d *Daemon) {
	for _, f := range []struct {
		key string
		to  *string
	}{{"socket", &d.Socket}, {"state", &d.State}} {
		s.str(f.key, f.to)
		if !filepath.IsAbs(*f.to) {
			s.l.problem(s.at(f.key), s.key(f.key), fmt.Sprintf("%q is not an absolute path", *f.to), "")
		}
	}
	s.done()
}

// builtinJails are the jails that ship with p2pban, by name.
func builtinJails() map[string]jail.Config {
	jails := map[string]jail.Config{}
	for _, c := range jail.Defaults() {
		jails[c.Name] = c
	}
	return jails
}

func builtinNames() []string { return slices.Sorted(maps.Keys(builtinJails())) }

func sortJails(jails []jail.Config) {
	slices.SortFunc(jails, func(a, b jail.Config) int { return cmp.Compare(a.Name, b.Name) })
}

// expandAll turns the patterns in the jails' rules into full names.
func expandAll(c *Config) error {
	for i := range c.Jails {
		var err error
		if c.Jails[i].Rules, err = c.Ruleset.Expand(c.Jails[i].Rules); err != nil {
			return err
		}
	}
	return nil
}
