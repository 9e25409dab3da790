package parser

import "regexp/syntax"

const (
	// maxSwallow bounds the text with spaces that may stand before a host, in
	// characters: too little for a stranger to write a record's end in it that
	// reads better than the node's own.
	maxSwallow = 64
	endless    = 1 << 20
)

// swallow is the most text with spaces in it, in characters, that a choice of the
// expression can take in: what it repeats, leaves out or chooses among. A run of
// nothing but spaces (" +") is padding, one without any a word; both are harmless.
func swallow(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat, syntax.OpAlternate, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		if spaces, others := mixes(re); spaces && others {
			return longest(re)
		}
		return 0
	}
	n := 0
	for _, sub := range re.Sub {
		n = min(n+swallow(sub), endless)
	}
	return n
}

// mixes tells whether what re matches can hold a space, and anything else.
func mixes(re *syntax.Regexp) (spaces, others bool) {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true, true
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			from, to := re.Rune[i], re.Rune[i+1]
			spaces = spaces || from <= ' ' && ' ' <= to || from <= '\t' && '\t' <= to
			others = others || to > ' '
		}
		return spaces, others
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			spaces = spaces || r == ' ' || r == '\t'
			others = others || r > ' '
		}
		return spaces, others
	}
	for _, sub := range re.Sub {
		s, o := mixes(sub)
		spaces, others = spaces || s, others || o
	}
	return spaces, others
}

// longest is the length of the longest text that re matches, at most endless.
func longest(re *syntax.Regexp) int {
	n := 0
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus:
		return endless
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		n = 1
	case syntax.OpRepeat:
		if re.Max < 0 {
			return endless
		}
		n = re.Max * longest(re.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			n = max(n, longest(sub))
		}
	default:
		for _, sub := range re.Sub {
			n += longest(sub)
		}
	}
	return min(n, endless)
}
