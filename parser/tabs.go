package parser

import "strings"

// tabsLost tells whether a line is a canonical record in go-log's console
// format but for the tabs between its parts, which something on the way has
// replaced by spaces, or by the letters that stand for one. Its parts can't be
// told apart any more, so it stays refused; but there is a cure, where there is
// none for a line that somebody made up.
func tabsLost(s string) bool {
	at := readStamp(s, 'T')
	if at.n == 0 || !at.zoned {
		return false
	}
	rest := s[at.n:]
	for _, fits := range [...]func(string) bool{
		func(level string) bool { return isLevel(stripLevelColour(level)) },
		func(logger string) bool { return logger == canonicalLogger },
		isGoSource,
	} {
		gap := lostTab(rest)
		part, _, _ := strings.Cut(rest[gap:], " ")
		if i := strings.IndexAny(part, `\^`); i >= 0 {
			part = part[:i]
		}
		if gap == 0 || !fits(part) {
			return false
		}
		rest = rest[gap+len(part):]
	}
	gap := lostTab(rest)
	tag, _, _ := strings.Cut(rest[gap:], ":")
	return gap > 0 && isCanonicalTag(tag)
}

// lostTab is the length of what stands at the start of s in a tab's place.
func lostTab(s string) int {
	for _, tab := range [...]string{`\t`, "^I"} {
		if strings.HasPrefix(s, tab) {
			return len(tab)
		}
	}
	return len(s) - len(strings.TrimLeft(s, " \t"))
}
