package parser

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

func needAVX2(t *testing.T) {
	t.Helper()
	if haveTeddy {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("CI needs a processor with AVX2 to test what most users have")
	}
	t.Skip("this processor has no AVX2")
}

// A scan stops at the first place where all nibbles are in one bucket, else
// not before its reach, and counts the newlines on its way.
func TestTeddyScans(t *testing.T) {
	needAVX2(t)
	td := newTeddy([]string{"needle", "pinpoint", "haystack", "straw_"})
	r := rand.New(rand.NewPCG(13, 14))
	const letters = "\nneedlepinpoint\x80\xff xyz"
	stopped, ended := 0, 0
	for range 20_000 {
		b := make([]byte, teddyMin+r.IntN(1+r.IntN(3*teddyReach)))
		for i := range b {
			b[i] = letters[r.IntN(4+r.IntN(len(letters)-3))]
		}
		if r.IntN(2) == 0 { // rarely anything to stop at
			b = []byte(strings.ReplaceAll(string(b), "n", "\n"))
		}
		s, from := string(b), r.IntN(len(b)+1)
		at, newlines, found := teddyScan(&td.masks, s, from)
		want := from
		for want < len(s)-fingerprintLen+1 && td.maybe(s, want) == 0 {
			want++
		}
		switch {
		case found && at != want, !found && at > max(want, from), !found && at < min(len(s)-fingerprintLen+1, from+teddyReach):
			t.Fatalf("from %d of %d: found %v at %d, is at %d", from, len(s), found, at, want)
		case newlines != strings.Count(s[from:at], "\n"):
			t.Fatalf("from %d of %d to %d: %d newlines, are %d", from, len(s), at, newlines, strings.Count(s[from:at], "\n"))
		case found:
			stopped++
		default:
			ended++
		}
	}
	if stopped < 1000 || ended < 1000 {
		t.Errorf("%d scans stopped, %d ended: too one-sided to show anything", stopped, ended)
	}
}

// A search begun anywhere gives the first place there.
func TestTeddyFinds(t *testing.T) {
	needAVX2(t)
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
				return needle[p.at : p.at+fingerprintLen]
			}
		}
	}
	return ""
}

// What stands in most lines of a log does not stop the search, whatever needles share
// a bucket: the built-in rules find it only where a needle is. With every rule there
// are too many needles for eight buckets to keep out all of it.
func TestUsualTextDoesNotPass(t *testing.T) {
	needAVX2(t)
	for name, c := range map[string]struct {
		parser *Parser
		most   int // places of usual
	}{
		"default":    {newParser(t, Options{}), 0},
		"every rule": {everyRule(t), len(usual) / 200},
	} {
		var passed []string
		for at := range len(usual) - fingerprintLen + 1 {
			if c.parser.filter.teddy.maybe(usual, at) != 0 {
				passed = append(passed, usual[at:at+fingerprintLen])
			}
		}
		if len(passed) > c.most {
			t.Errorf("%s: %q pass, want at most %d", name, passed, c.most)
		}
	}
}
