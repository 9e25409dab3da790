package parser

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// withTable is p on a processor without the instructions teddy takes.
func withTable(p *Parser) *Parser {
	table, filter := *p, *p.filter
	filter.teddy = nil
	table.filter = &filter
	return &table
}

// Each way to search finds a needle wherever it stands in a text of any length,
// and what begins at the very end of one.
func TestSearchesFindAlike(t *testing.T) {
	p := everyRule(t)
	table := withTable(p)
	var needles []string
	for _, b := range p.filter.bucket {
		needles = append(needles, b...)
	}
	r := rand.New(rand.NewPCG(7, 8))
	found := 0
	for range 100_000 {
		text := randomText(r, needles)
		want := false
		for _, n := range needles {
			want = want || strings.Contains(text, n)
		}
		if got, old := p.filter.match(text), table.filter.match(text); got != want || old != want {
			t.Fatalf("found %v, by the table %v, want %v in %q", got, old, want, text)
		}
		if want {
			found++
		}
	}
	if found < 10_000 || found > 90_000 {
		t.Errorf("%d of 100000 texts hold a needle: too one-sided to show anything", found)
	}
}

// randomText is made of pieces of needles, and bytes that share their nibbles.
func randomText(r *rand.Rand, needles []string) string {
	var b strings.Builder
	for range r.IntN(6) {
		n := needles[r.IntN(len(needles))]
		from := r.IntN(4) * r.IntN(len(n)) / 4
		to := len(n) - r.IntN(3)*r.IntN(len(n)-from)/3
		b.WriteString(n[from:to])
		if r.IntN(3) == 0 {
			b.WriteByte(n[r.IntN(len(n))] ^ 1<<r.IntN(8))
		}
		b.WriteString(strings.Repeat("x", r.IntN(8)*r.IntN(8)))
	}
	return b.String()
}
