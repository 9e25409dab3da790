package firewall

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Clean returns the prefix as the kernel's sets hold it: masked, and an IPv4
// address written in IPv6 (::ffff:0:0/96) as IPv4. A prefix of length 0 is
// refused: it would ban everyone.
func Clean(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, fmt.Errorf("%w: %v is no prefix", ErrBadPrefix, p)
	}
	addr, bits := p.Addr().WithZone(""), p.Bits()
	if addr.Is4In6() && bits >= 96 {
		addr, bits = addr.Unmap(), bits-96
	}
	if bits == 0 {
		return p, fmt.Errorf("%w: %v is every address", ErrBadPrefix, p)
	}
	return netip.PrefixFrom(addr, bits).Masked(), nil
}

// plan turns bans into transactions. It knows which sets the table has, and
// nothing else of the kernel's state.
type plan struct {
	options Options
	sets    map[setID]bool
	counted bool
}

// maxCounted is up to how many bans at Init every ban gets a packet counter of
// its own. A counter costs 16 bytes for each of the machine's processors and
// more than doubles the time a ban takes (measured: 4.5 against 2 µs), so large
// sets do without; the rules count in total either way.
const maxCounted = 50_000

// elementsBySet sorts bans into their sets. Bans that have ended by now come
// back in ended.
type elementsBySet struct {
	sets  map[setID][]element
	ended []netip.Prefix
}

func sortBans(bans []Ban, now time.Time) (elementsBySet, error) {
	out := elementsBySet{sets: map[setID][]element{}}
	var last setID         // almost all bans go to one or two sets
	var elements []element // of last
	for _, b := range bans {
		p, err := Clean(b.Prefix)
		if err != nil {
			return out, err
		}
		e := newElement(p.Addr())
		if !b.Until.IsZero() {
			left := b.Until.Sub(now)
			if left <= 0 {
				out.ended = append(out.ended, p)
				continue
			}
			// The kernel counts in milliseconds and takes 0 for ever.
			e.timeout = (left + time.Millisecond - 1).Truncate(time.Millisecond)
		}
		if id := setOf(p); id != last {
			if len(elements) > 0 {
				out.sets[last] = elements
			}
			last, elements = id, out.sets[id]
		}
		if len(elements) == cap(elements) {
			// append grows a long slice by a quarter at a time, and a start
			// would spend more on copying than on all else here.
			elements = slices.Grow(elements, max(len(elements), maxElements))
		}
		elements = append(elements, e)
	}
	if len(elements) > 0 {
		out.sets[last] = elements
	}
	return out, nil
}

// initial is the transaction that replaces whatever stands in our table by
// exactly these bans, and the plan that continues from there.
func initial(o Options, bans []Ban, now time.Time) (transaction, plan, error) {
	next := plan{options: o, sets: map[setID]bool{}, counted: len(bans) <= maxCounted}
	sorted, err := sortBans(bans, now)
	if err != nil {
		return transaction{}, next, err
	}
	for _, s := range basicSets() {
		next.sets[s] = true
	}
	for s := range sorted.sets {
		next.sets[s] = true
	}

	// Deleting needs the table to exist, so it is added first.
	layout := []statement{addTable{}, deleteTable{}, addTable{o.comment}}
	sets := sortedSets(next.sets)
	for _, s := range sets {
		layout = append(layout, addSet{s, next.counted})
	}
	if len(o.protocols()) > 0 {
		layout = append(layout, addProtocols{o.protocols()})
	}
	if len(o.Ports) > 0 {
		layout = append(layout, addPorts{o.Ports})
	}
	for _, c := range chains() {
		layout = append(layout, addChain{c})
		for _, r := range rulesFor(c, sets, o) {
			layout = append(layout, addRule{r})
		}
	}
	var tx transaction
	tx.add(layout...)
	for _, s := range sets {
		for chunk := range slices.Chunk(dedup(sorted.sets[s]), maxElements) {
			tx.add(addElements{id: s, elements: chunk})
		}
	}
	return tx, next, nil
}

// change is the transaction for one batch, and the plan that continues from
// there. Elements are added, deleted and added again: adding alone does not
// move the timeout of an element that stands on kernels before 6.12, and
// deleting alone fails when it does not stand. Those of fresh bans are created,
// which is one operation instead of three.
func (p plan) change(c Change, now time.Time) (transaction, plan, error) {
	var tx transaction
	fresh, moved := divide(c.Set)
	create, err := sortBans(fresh, now)
	if err != nil {
		return tx, p, err
	}
	set, err := sortBans(moved, now)
	if err != nil {
		return tx, p, err
	}
	lift, err := sortBans(permanent(slices.Concat(c.Lift, create.ended, set.ended)), now)
	if err != nil {
		return tx, p, err
	}

	layout, next := p.with(create, set)
	if len(layout) > 0 {
		tx.add(layout...)
	}
	for _, s := range sortedSets(next.sets) {
		for chunk := range slices.Chunk(dedup(lift.sets[s]), maxElements) {
			tx.add(addElements{id: s, elements: chunk}, deleteElements{s, chunk})
		}
		for chunk := range slices.Chunk(dedup(set.sets[s]), maxElements) {
			add := addElements{id: s, elements: chunk}
			tx.add(add, deleteElements{s, chunk}, add)
		}
		for chunk := range slices.Chunk(dedup(create.sets[s]), maxElements) {
			tx.add(addElements{id: s, elements: chunk, create: true})
		}
	}
	return tx, next, nil
}

// divide parts the fresh bans from those that may stand.
func divide(bans []Ban) (fresh, others []Ban) {
	for _, b := range bans {
		if b.Fresh {
			fresh = append(fresh, b)
		} else {
			others = append(others, b)
		}
	}
	return fresh, others
}

// stale takes the word of nobody that a ban is fresh.
func (c Change) stale() Change {
	c.Set = slices.Clone(c.Set)
	for i := range c.Set {
		c.Set[i].Fresh = false
	}
	return c
}

// with is the statements for the sets that these bans need and that do not
// stand, if any, and the plan that has them.
func (p plan) with(bans ...elementsBySet) ([]statement, plan) {
	var fresh []setID
	for _, b := range bans {
		fresh = append(fresh, missing(p.sets, b.sets)...)
	}
	if len(fresh) == 0 {
		return nil, p
	}
	slices.SortFunc(fresh, compareSets)
	next := plan{options: p.options, counted: p.counted, sets: maps.Clone(p.sets)}
	var layout []statement
	for _, s := range slices.Compact(fresh) {
		next.sets[s] = true
		layout = append(layout, addSet{s, p.counted})
	}
	for _, c := range chains() {
		layout = append(layout, flushChain{c})
		for _, r := range rulesFor(c, sortedSets(next.sets), p.options) {
			layout = append(layout, addRule{r})
		}
	}
	return layout, next
}

// missing lists the sets that are wanted and do not stand.
func missing(have map[setID]bool, want map[setID][]element) []setID {
	var out []setID
	for s := range want {
		if !have[s] {
			out = append(out, s)
		}
	}
	return out
}

func permanent(prefixes []netip.Prefix) []Ban {
	out := make([]Ban, len(prefixes))
	for i, p := range prefixes {
		out[i] = Ban{Prefix: p}
	}
	return out
}

// dedup keeps the last element of each key, in order of first appearance:
// deleting one element twice in a transaction fails.
func dedup(in []element) []element {
	if ascending(in) { // as a daemon's tree of bans gives them: a third of the time
		return in
	}
	index := make(map[[16]byte]int32, len(in))
	out := in[:0]
	for _, e := range in {
		if i, ok := index[e.key]; ok {
			out[i] = e
			continue
		}
		index[e.key] = int32(len(out))
		out = append(out, e)
	}
	return out
}

// ascending reports whether every key is greater than the one before.
func ascending(in []element) bool {
	for i := 1; i < len(in); i++ {
		if bytes.Compare(in[i-1].key[:], in[i].key[:]) >= 0 {
			return false
		}
	}
	return true
}
