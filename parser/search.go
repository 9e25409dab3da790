package parser

import "strings"

// lanes is how many parts of a text are searched side by side. Each step of a
// search waits for the one before, so that one search alone leaves most of the
// processor idle.
const lanes = 4

// search finds the lines that hold a needle in each part of s, part i from
// bounds[i] to bounds[i+1]. Parts are whole lines with their newlines.
func (f *prefilter) search(s string, bounds [lanes + 1]int, hits *[lanes][]span) {
	var l [lanes]lane
	for i := range l {
		l[i] = lane{from: bounds[i], to: bounds[i+1], hits: hits[i][:0]}
	}
	e0, e1, e2, e3 := l[0].from+f.width, l[1].from+f.width, l[2].from+f.width, l[3].from+f.width
	t0, t1, t2, t3 := l[0].to, l[1].to, l[2].to, l[3].to
	for e0 <= t0 && e1 <= t1 && e2 <= t2 && e3 <= t3 {
		k0, k1 := f.shift[hashBefore(s, e0)], f.shift[hashBefore(s, e1)]
		k2, k3 := f.shift[hashBefore(s, e2)], f.shift[hashBefore(s, e3)]
		e0, e1, e2, e3 = e0+int(k0), e1+int(k1), e2+int(k2), e3+int(k3)
		// One branch for all: a shift of 0 less 1 has the highest bit set, no
		// other has.
		if ((k0-1)|(k1-1)|(k2-1)|(k3-1))&0x80 == 0 {
			continue
		}
		if k0 == 0 {
			e0 = f.stop(s, e0, &l[0])
		}
		if k1 == 0 {
			e1 = f.stop(s, e1, &l[1])
		}
		if k2 == 0 {
			e2 = f.stop(s, e2, &l[2])
		}
		if k3 == 0 {
			e3 = f.stop(s, e3, &l[3])
		}
	}
	for i, end := range [lanes]int{e0, e1, e2, e3} {
		for end <= l[i].to {
			if skip := f.shift[hashBefore(s, end)]; skip > 0 {
				end += int(skip)
			} else {
				end = f.stop(s, end, &l[i])
			}
		}
		hits[i] = l[i].hits
	}
}

// lane is one part of a text being searched.
type lane struct {
	from, to int // what is left of it, from the beginning of a line
	hits     []span
}

// stop looks whether a needle begins width bytes before end, notes its line if
// so, and gives where to search on.
func (f *prefilter) stop(s string, end int, l *lane) int {
	if !f.needleAt(s, end) {
		return end + 1
	}
	from := lineStart(s, l.from, end-f.width)
	to := end + strings.IndexByte(s[end:], '\n')
	l.hits = append(l.hits, span{from, to})
	l.from = to + 1
	return l.from + f.width
}

// lineStart gives where the line begins that holds byte at; from is where that
// or an earlier line begins. It takes eight bytes at a time: the library
// searches backwards byte by byte.
func lineStart(s string, from, at int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for at-from >= 8 {
		b := s[at-8 : at]
		x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		x ^= '\n' * ones
		if (x-ones)&^x&high != 0 { // one of the eight is a newline
			break
		}
		at -= 8
	}
	for at > from && s[at-1] != '\n' {
		at--
	}
	return at
}
