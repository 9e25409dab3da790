package parser

import "testing"

// The canonical formats are read without an allocation per line; what is
// decoded goes into blocks that many lines share.
func TestCanonicalLinesDoNotAllocate(t *testing.T) {
	p := newParser(t, Options{})
	var res Result
	for _, line := range benchLines {
		l := Line{Text: line.text}
		if n := testing.AllocsPerRun(100, func() { p.Parse(l, &res) }); n != 0 {
			t.Errorf("%s: %v allocations a line", line.name, n)
		}
	}
}
