package jail

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/p2pban/p2pban/parser"
)

// A window in blocks holds what a sorted list holds, whatever comes in which
// order and whatever leaves.
func TestWindowIsASortedList(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		table := newHosts([2]uint64{}, newBuckets())
		h := &table
		first := entry{at: 1000, weight: 1}
		x := h.get(h.insert(&key{lo: 1}, 1, first))
		want := []entry{first}
		clock, back := 1000, 1+r.IntN(40)
		for n := range 200 {
			switch clock += r.IntN(3); {
			case len(want) > 1 && r.IntN(3) == 0:
				h.dropFirst(x)
				want = want[1:]
			case r.IntN(50) == 0:
				h.moveTimes(x, func(at instant) instant { return at - 1 })
				for i := range want {
					want[i].at--
				}
			default:
				e := entry{at: instant(clock - r.IntN(back)), weight: uint32(n), peer: uint32(n), rule: 3, port: uint16(n), transport: uint8(n % len(parser.Transports))}
				h.add(x, e)
				want = append(want, e)
				slices.SortStableFunc(want, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
			}
			sum := int64(0)
			for _, e := range want {
				sum += int64(e.weight)
			}
			if got := slices.Collect(h.lines(x)); !slices.Equal(got, want) || x.sum != sum || h.last(x) != want[len(want)-1].at {
				t.Fatalf("workload %d, step %d: %d failures, the last at %d, want %d\ngot  %v\nwant %v", seed, n, x.sum, h.last(x), sum, got, want)
			}
		}
		if n := 1 + h.dropBlocks(x); n != len(want) || int(h.blocks.used)-1 != len(h.blocks.free) {
			t.Fatalf("workload %d: %d lines left with the host, want %d; %d blocks were handed out and %d given back", seed, n, len(want), h.blocks.used-1, len(h.blocks.free))
		}
	}
}
