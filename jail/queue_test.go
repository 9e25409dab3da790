package jail

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// An order gives hosts as lists do in which a host that is touched moves to the
// end of its level's.
func TestOrderIsListsByLastTouch(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		table := newHosts([2]uint64{}, newBuckets())
		h, o := &table, &order{}
		o.init()
		var want [levels][]hostID
		drop := func(id hostID) {
			for l := range want {
				want[l] = slices.DeleteFunc(want[l], func(x hostID) bool { return x == id })
			}
		}
		for n := range 5_000 {
			tracked := slices.Concat(want[:]...)
			touched, turns := levels, h.turn
			switch {
			case len(tracked) == 0 || r.IntN(10) == 0 && len(tracked) < 300:
				k := key{lo: uint64(n)}
				id, l := h.insert(&k, k.hash(&h.seed), entry{}), uint8(r.IntN(levels))
				o.touch(h, id, l)
				want[l], touched = append(want[l], id), int(l)
			case r.IntN(12) == 0:
				id := tracked[r.IntN(len(tracked))]
				o.leave(h.get(id))
				h.remove(id)
				drop(id)
			default:
				id, l := tracked[r.IntN(len(tracked))], uint8(r.IntN(levels))
				o.touch(h, id, l)
				drop(id)
				want[l], touched = append(want[l], id), int(l)
			}
			first := hostID(0)
			for l := range want {
				q := &o.queues[l]
				if first == 0 && len(want[l]) > 0 {
					first = want[l][0]
				}
				if got := slices.Collect(q.all(h)); !slices.Equal(got, want[l]) {
					t.Fatalf("workload %d, step %d, level %d: got %v, want %v", seed, n, l, got, want[l])
				}
				if n := q.tail - q.head; l == touched && h.turn != turns && n > staleTurns*len(want[l])+tidyFrom {
					t.Fatalf("workload %d: %d turns for %d hosts", seed, n, len(want[l]))
				}
			}
			if got := o.first(h); got != first {
				t.Fatalf("workload %d, step %d: the first is %d, want %d", seed, n, got, first)
			}
		}
		var back []hostID
		for id := range o.queues[3].backward(h) {
			back = append(back, id)
		}
		slices.Reverse(back)
		if !slices.Equal(back, want[3]) {
			t.Fatalf("workload %d: backward %v, want %v reversed", seed, back, want[3])
		}
	}
}
