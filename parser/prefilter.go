package parser

import "strings"

// prefilter tells cheaply that a line holds none of a set of needles. It is Wu
// and Manber's multi-pattern search (A Fast Algorithm for Multi-Pattern
// Searching, 1994): it looks at every few bytes of a line only, and its cost
// hardly depends on how many needles there are.
type prefilter struct {
	width  int                    // bytes of each needle that are searched for
	shift  [prefilterSlots]uint8  // how far the window may move on, by its last block
	slot   [prefilterSlots]uint16 // where the shift is 0: the bucket, from 1
	bucket [][]string
	// teddy does the same where the processor can; nil elsewhere.
	teddy *teddy
}

const (
	prefilterBits  = 12
	prefilterSlots = 1 << prefilterBits
	prefilterBlock = 3
	prefilterWidth = 16
)

// arrayMessage is how journalctl -o json begins a message with control
// characters: as an array of numbers, in which no needle can be found.
const arrayMessage = `"MESSAGE":[`

// pieceMarks are how carriers mark pieces, which may be short: what follows one
// must be known as its rest.
var pieceMarks = [...]string{"_LINE_BREAK", "CONTAINER_PARTIAL_", " stderr P ", " stdout P ", " stderr P:", " stdout P:"}

func newPrefilter(rules []*Rule) *prefilter {
	needles := append([]string{arrayMessage}, pieceMarks[:]...)
	for i := range risks {
		needles = append(needles, risks[i].needles...)
	}
	for _, r := range rules {
		for i := range r.records {
			needles = append(needles, r.records[i].needle())
		}
	}
	f := &prefilter{width: prefilterWidth, teddy: newTeddy(needles)}
	for _, n := range needles {
		f.width = min(f.width, len(n))
	}
	for i := range f.shift {
		f.shift[i] = uint8(f.width - prefilterBlock + 1)
	}
	for _, n := range needles {
		f.add(n)
	}
	return f
}

func (f *prefilter) add(needle string) {
	for end := prefilterBlock; end <= f.width; end++ {
		h := blockHash(needle, end)
		f.shift[h] = min(f.shift[h], uint8(f.width-end))
	}
	h := blockHash(needle, f.width)
	if f.slot[h] == 0 {
		f.bucket = append(f.bucket, nil)
		f.slot[h] = uint16(len(f.bucket))
	}
	b := &f.bucket[f.slot[h]-1]
	*b = append(*b, needle)
}

// blockHash numbers the block of three bytes that ends before end.
func blockHash(s string, end int) uint32 {
	return hashBlock(uint32(s[end-3]) | uint32(s[end-2])<<8 | uint32(s[end-1])<<16)
}

// hashBefore is blockHash where there is a byte before the block: then it is
// one load.
func hashBefore(s string, end int) uint32 {
	b := s[end-4 : end]
	return hashBlock((uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24) >> 8)
}

// hashBlock spreads a block over the slots (Knuth's multiplicative hashing).
func hashBlock(block uint32) uint32 { return block * 2654435761 >> (32 - prefilterBits) }

// match tells whether s holds a needle.
func (f *prefilter) match(s string) bool {
	if f.teddy != nil && len(s) >= teddyMin {
		return f.teddy.find(s, 0) >= 0
	}
	for end := f.width; end <= len(s); {
		if skip := f.shift[hashBefore(s, end)]; skip > 0 {
			end += int(skip)
			continue
		}
		if f.needleAt(s, end) {
			return true
		}
		end++
	}
	return false
}

// needleAt tells whether a needle begins width bytes before end, where the
// shift is 0.
func (f *prefilter) needleAt(s string, end int) bool {
	for _, n := range f.bucket[f.slot[blockHash(s, end)]-1] {
		if strings.HasPrefix(s[end-f.width:], n) {
			return true
		}
	}
	return false
}
