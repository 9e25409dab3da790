package state

import (
	"net/netip"
	"slices"

	"github.com/p2pban/p2pban/jail"
)

// index says in which row of the file each ban in force lies. It stands in memory
// (some 50 bytes for each) because one in the file was most of what a flood
// cost: its hosts come from anywhere, so every decision wrote a page of it.
type index struct {
	ids   map[banKey]int64
	jails map[string]int32 // numbers of the names there were since the file was opened
	last  int64            // the highest id given
}

// banKey is a jail and a prefix, without pointers for the garbage collector to
// follow.
type banKey struct {
	addr [16]byte
	is4  bool
	bits int16
	jail int32
}

// newIndex takes over where bans lie: ids[i] is the row of bans[i].
func newIndex(bans []jail.Decision, ids []int64) index {
	x := index{ids: make(map[banKey]int64, len(bans)), jails: map[string]int32{}}
	for i := range bans {
		x.ids[x.key(bans[i].Jail, bans[i].Prefix)] = ids[i]
		x.last = max(x.last, ids[i])
	}
	return x
}

func (x *index) key(name string, p netip.Prefix) banKey {
	number, ok := x.jails[name]
	if !ok {
		number = int32(len(x.jails))
		x.jails[name] = number
	}
	return banKey{p.Addr().As16(), p.Addr().Is4(), int16(p.Bits()), number}
}

// move is what decisions make of one ban in force.
type move struct {
	key banKey
	// of is the decision's place among those saved.
	of int
	// from and to are the rows it lay and will lie in, 0 for none.
	from, to int64
}

// moves says where the bans go that decisions make or lift. Only the last one on
// a prefix counts: a ban made and lifted again among them never has a row.
func (x *index) moves(decisions []jail.Decision) []move {
	last := make(map[banKey]int, len(decisions))
	keys := make([]banKey, len(decisions))
	for i := range decisions {
		if d := &decisions[i]; d.Action != jail.Held {
			keys[i] = x.key(d.Jail, d.Prefix)
			last[keys[i]] = i
		}
	}
	out, next := make([]move, 0, len(last)), x.last
	for i := range decisions {
		d := &decisions[i]
		if d.Action == jail.Held || last[keys[i]] != i {
			continue
		}
		m := move{key: keys[i], of: i, from: x.ids[keys[i]]}
		if d.Action == jail.Ban {
			next++
			m.to = next
		}
		out = append(out, m)
	}
	return out
}

// take notes moves that were made in the file.
func (x *index) take(moves []move) {
	for _, m := range moves {
		if m.to == 0 {
			delete(x.ids, m.key)
			continue
		}
		x.ids[m.key] = m.to
		x.last = m.to
	}
}

// left gives the rows that moves leave, as ranges of neighbours: what a flood
// lifts lies together, for it was made together.
func left(moves []move) (ranges [][2]int64) {
	var ids []int64
	for _, m := range moves {
		if m.from != 0 {
			ids = append(ids, m.from)
		}
	}
	slices.Sort(ids)
	for i, id := range ids {
		if i > 0 && id == ids[i-1]+1 {
			ranges[len(ranges)-1][1] = id
			continue
		}
		ranges = append(ranges, [2]int64{id, id})
	}
	return ranges
}
