package parser

import (
	"os"
	"strings"
	"testing"
)

// A search begun anywhere gives the first place there.
func TestTeddyFinds(t *testing.T) {
	if !haveTeddy {
		if os.Getenv("CI") != "" {
			t.Fatal("CI needs a processor with AVX2 to test what most users have")
		}
		t.Skip("this processor has no AVX2")
	}
	td := newTeddy([]string{"needle", "pinpoint"})
	for length := teddyMin; length < 120; length++ {
		for at := range length - 6 + 1 {
			s := strings.Repeat("n", at) + "needle" + strings.Repeat("e", length-6-at)
			place := at + strings.Index("needle", printOf(td, "needle"))
			for from := range length + 1 {
				want := place
				if from > place {
					want = -1
				}
				if got := td.find(s, from); got != want {
					t.Fatalf("from %d in %q: %d, want %d", from, s, got, want)
				}
			}
		}
	}
}

func printOf(t *teddy, needle string) string {
	for _, bucket := range t.buckets {
		for _, p := range bucket {
			if p.needle == needle {
				return needle[p.at : p.at+printLen]
			}
		}
	}
	return ""
}
