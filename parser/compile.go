package parser

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// minNeedle is the least literal text a rule must have: by it the prefilter
// finds the lines worth reading.
const minNeedle = 6

// compileTemplate reads "literal {hole} literal {rest...}". A brace that opens
// no hole is literal.
func compileTemplate(s string) (*template, error) {
	t := &template{}
	seen := map[string]bool{}
	for s != "" || len(t.pieces) == 0 {
		literal, name, rest := cutHole(s)
		p := piece{literal: literal}
		p.hole, p.rest = strings.CutSuffix(name, "...")
		switch {
		case p.hole == "":
			t.pieces = append(t.pieces, p)
			return t, nil
		case seen[p.hole]:
			return nil, fmt.Errorf("two holes are called %q", p.hole)
		case p.rest && rest != "":
			return nil, fmt.Errorf("{%s...} takes all the rest and must stand at the end", p.hole)
		case literal == "" && len(t.pieces) > 0:
			return nil, errors.New("two holes stand side by side")
		}
		seen[p.hole] = true
		t.pieces = append(t.pieces, p)
		s = rest
	}
	return t, nil
}

// cutHole splits s at its first "{name}" or "{name...}".
func cutHole(s string) (literal, name, rest string) {
	for i := 0; i < len(s); i++ {
		if s[i] != '{' {
			continue
		}
		n := strings.IndexByte(s[i:], '}')
		if n < 0 {
			break
		}
		name = s[i+1 : i+n]
		if isFieldName(strings.TrimSuffix(name, "...")) {
			return s[:i], name, s[i+n+1:]
		}
	}
	return s, "", ""
}

func isFieldName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '_' && (c < 'a' || c > 'z') && !isDigit(c) {
			return false
		}
	}
	return s != ""
}

// has tells whether the template has a hole of that name.
func (t *template) has(hole string) bool {
	for _, p := range t.pieces {
		if p.hole == hole {
			return true
		}
	}
	return false
}

// checkRegex refuses an expression that could take the wrong host: one not
// anchored at both ends, without the host's group, or that can swallow
// more than maxSwallow of text with spaces before it.
func checkRegex(expr, host string) error {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return err
	}
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	last := len(parts) - 1
	if parts[0].Op != syntax.OpBeginText {
		return errors.New("not anchored; begin it with ^")
	}
	if parts[last].Op != syntax.OpEndText {
		return errors.New("not anchored; end it with $")
	}
	seen := map[string]bool{}
	for _, name := range re.CapNames() {
		if name != "" && seen[name] {
			return fmt.Errorf("two groups are called %q", name)
		}
		seen[name] = true
	}
	if host == "" {
		return nil
	}
	at := slices.IndexFunc(parts, func(part *syntax.Regexp) bool { return part.Op == syntax.OpCapture && part.Name == host })
	if at < 0 {
		return fmt.Errorf("no group (?P<%s>…) at its top level to hold the host", host)
	}
	if swallow(parts[at]) > 0 {
		return fmt.Errorf("the group %q can take in spaces", host)
	}
	swallowed := 0
	for _, part := range parts[:at] {
		if swallowed += swallow(part); swallowed > maxSwallow {
			return fmt.Errorf("%s stands before the group %q and can swallow more than %d characters of text with spaces, which a stranger may write", part, host, maxSwallow)
		}
	}
	return nil
}

// needle gives the longest text that every line of this record holds as it
// stands, however it is encoded; "" when there is none of minNeedle letters.
func (p *pattern) needle() string {
	best := ""
	consider := func(literal string) {
		for _, run := range strings.FieldsFunc(withoutKeys(literal), escapable) {
			if len(run) > len(best) {
				best = run
			}
		}
	}
	switch {
	case p.tag != "":
		best = tagPrefix
	case p.message != nil:
		for _, piece := range p.message.pieces {
			consider(piece.literal)
		}
	case p.regex != nil:
		if re, err := syntax.Parse(p.regex.text, syntax.Perl); err == nil {
			for _, sub := range re.Sub {
				if sub.Op == syntax.OpLiteral && sub.Flags&syntax.FoldCase == 0 {
					consider(string(sub.Rune))
				}
			}
		}
	}
	if len(best) < minNeedle && p.logger != nil {
		for _, piece := range p.logger.pieces {
			consider(piece.literal)
		}
	}
	if len(best) < minNeedle {
		return ""
	}
	return best
}

// withoutKeys blots out the keys of key=value pairs in s: an encoder that
// colours its lines puts sequences around them.
func withoutKeys(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c != '=' {
			continue
		}
		for ; i >= 0 && b[i] > ' '; i-- {
			b[i] = 0
		}
	}
	return string(b)
}

// escapable tells whether an encoder or carrier may write r in another way.
func escapable(r rune) bool {
	return r < ' ' || r > '~' || strings.ContainsRune(`"\/<>&'#`, r)
}
