package parser

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkScanner reads a megabyte of lines of which so many in a hundred are
// canonical, as a dry run does without its jails.
func BenchmarkScanner(b *testing.B) {
	p := newParser(b, Options{})
	other := benchLines[len(benchLines)-1].text
	for _, line := range benchLines[:4] {
		for _, share := range [...]int{0, 1, 20, 100} {
			var text strings.Builder
			lines := 0
			for ; text.Len() < 1<<20; lines++ {
				if (lines*share)%100 >= share {
					text.WriteString(other + "\n")
					continue
				}
				hosts := strings.NewReplacer("203.0.113.66", fmt.Sprintf("203.0.%d.%d", lines%199, lines%97), "db8:a:", fmt.Sprintf("db8:%x:", lines))
				text.WriteString(hosts.Replace(line.text) + "\n")
			}
			b.Run(fmt.Sprintf("%s/%d", line.name, share), func(b *testing.B) {
				b.SetBytes(int64(text.Len()))
				b.ReportAllocs()
				s := NewScanner(p)
				var res Result
				for b.Loop() {
					for line, skipped := range s.Lines(text.String()) {
						if skipped == 0 {
							s.Parse(Line{Text: line}, &res)
						}
					}
				}
				b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
			})
		}
	}
}
