package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one fault of a configuration file.
type Problem struct {
	File string
	// Line and Column begin at 1, the column in characters; 0 where the fault
	// is of the file as a whole.
	Line, Column int
	// Key is the full name of the setting, "jail.libp2p-flood.findtime"; empty
	// where the fault is of the file as a whole.
	Key string
	// Msg says what is wrong, Hint what to write instead; Hint may be empty.
	Msg, Hint string
}

// Error is "file:line:column: key: what is wrong; what to do".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Line > 0 && p.Column > 0 {
		fmt.Fprintf(&b, ":%d", p.Column)
	}
	if p.Key != "" {
		b.WriteString(": " + p.Key)
	}
	b.WriteString(": " + p.Msg)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems is everything that is wrong, by file in the order read, then by line.
type Problems []Problem

// Error is one line for each Problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// sort orders by file as in files, then by place.
func (ps Problems) sort(files []string) {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
}
