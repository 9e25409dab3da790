package config

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// loader collects what is wrong while the tree is turned into a Config.
type loader struct {
	problems, warnings Problems
	// asked is every key that was looked for, by section ("jail.*"): all that
	// exist. What else stands in a file is unknown.
	asked map[string][]string
}

// section is one table being read.
type section struct {
	l *loader
	// name is for people ("jail.libp2p-flood"), bare its last part as written
	// ("libp2p-flood"), kind for loader.asked ("jail.*").
	name, bare, kind string
	node             *node
}

// section makes the section of a node; a node that is no table is a problem
// and gives an empty section.
func (l *loader) section(name, kind string, n *node) *section {
	if n.table == nil {
		l.problem(n, name, "expected a table, found "+n.is(), fmt.Sprintf("write [%s] on a line of its own", name))
		n = &node{file: n.file, offset: n.offset, table: map[string]*node{}}
	}
	return &section{l: l, name: name, kind: kind, node: n}
}

// sub gives the tables of s, as in [s.NAME], by name.
func (s *section) sub(kind string) []*section {
	var out []*section
	for _, k := range slices.Sorted(maps.Keys(s.node.table)) {
		inner := s.l.section(s.key(k), kind, s.node.table[k])
		inner.bare = k
		out = append(out, inner)
	}
	return out
}

func (s *section) key(k string) string {
	if strings.ContainsFunc(k, notBare) || k == "" {
		k = strconv.Quote(k)
	}
	if s.name == "" {
		return k
	}
	return s.name + "." + k
}

func notBare(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
}

// problem records a fault at n.
func (l *loader) problem(n *node, key, msg, hint string) {
	l.problems = append(l.problems, problemAt(n, key, msg, hint))
}

// warn records a fault at n that keeps nothing from working.
func (l *loader) warn(n *node, key, msg, hint string) {
	l.warnings = append(l.warnings, problemAt(n, key, msg, hint))
}

func problemAt(n *node, key, msg, hint string) Problem {
	line, column := lineColumn(n.file.text, n.offset)
	return Problem{n.file.path, line, column, key, msg, hint}
}

// get finds a key and notes that it exists.
func (s *section) get(key string) (*node, bool) {
	if !slices.Contains(s.l.asked[s.kind], key) {
		s.l.asked[s.kind] = append(s.l.asked[s.kind], key)
	}
	n, ok := s.node.table[key]
	return n, ok
}

// at is the node of a key, or the section's own where the key is missing.
func (s *section) at(key string) *node {
	if n, ok := s.node.table[key]; ok {
		return n
	}
	return s.node
}

// expected records that a key holds the wrong kind of value.
func (s *section) expected(n *node, key, what string) {
	s.l.problem(n, s.key(key), "expected "+what+", found "+n.is(), "")
}

// str sets *to if the key is there.
func (s *section) str(key string, to *string) {
	n, ok := s.get(key)
	if !ok {
		return
	}
	if v, ok := n.value.(string); ok {
		*to = v
		return
	}
	s.expected(n, key, "a string")
}

// boolean sets *to if the key is there.
func (s *section) boolean(key string, to *bool) {
	n, ok := s.get(key)
	if !ok {
		return
	}
	if v, ok := n.value.(bool); ok {
		*to = v
		return
	}
	s.expected(n, key, "true or false")
}

// integer sets *to if the key is there.
func integer[T int | int64](s *section, key string, to *T) {
	n, ok := s.get(key)
	if !ok {
		return
	}
	v, ok := n.value.(int64)
	if !ok || int64(T(v)) != v {
		s.expected(n, key, "a whole number")
		return
	}
	*to = T(v)
}

// number sets *to if the key is there.
func (s *section) number(key string, to *float64) {
	n, ok := s.get(key)
	if !ok {
		return
	}
	switch v := n.value.(type) {
	case int64:
		*to = float64(v)
		return
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			*to = v
			return
		}
	}
	s.expected(n, key, "a number")
}

// duration sets *to if the key is there; read is ParseDuration or ParseBanTime.
func (s *section) duration(key string, to *time.Duration, read func(string) (time.Duration, error)) {
	n, ok := s.get(key)
	if !ok {
		return
	}
	text, ok := n.value.(string)
	if number, isInt := n.value.(int64); isInt { // for its error, or as -1
		text, ok = strconv.FormatInt(number, 10), true
	}
	if !ok {
		s.expected(n, key, `a duration such as "3m"`)
		return
	}
	d, err := read(text)
	if err != nil {
		s.l.problem(n, s.key(key), err.Error(), "")
		return
	}
	*to = d
}

// strings sets *to if the key is there: one string or a list of them. valid,
// if not nil, judges each.
func (s *section) strings(key string, to *[]string, valid func(string) error) {
	n, ok := s.get(key)
	if !ok {
		return
	}
	items := n.list
	if _, single := n.value.(string); single {
		items = []*node{n}
	} else if n.list == nil {
		s.expected(n, key, "a string or a list of strings")
		return
	}
	*to = make([]string, 0, len(items))
	for _, item := range items {
		v, ok := item.value.(string)
		if !ok {
			s.expected(item, key, "a string")
			continue
		}
		if valid != nil {
			if err := valid(v); err != nil {
				for _, one := range flatten(err) {
					s.l.problem(item, s.key(key), one.Error(), "")
				}
				continue
			}
		}
		*to = append(*to, v)
	}
}

// done records every key of s that nobody asked for.
func (s *section) done() {
	known := s.l.asked[s.kind]
	for _, k := range slices.Sorted(maps.Keys(s.node.table)) {
		if slices.Contains(known, k) {
			continue
		}
		hint := "there are " + strings.Join(known, ", ")
		if best := nearest(k, known); best != "" {
			hint = fmt.Sprintf("did you mean %q?", best)
		}
		s.l.problem(s.node.table[k], s.key(k), "unknown key", hint)
	}
}
