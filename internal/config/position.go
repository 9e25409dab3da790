package config

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// The TOML library has positions for syntax errors only, so this file finds
// where each key of a document stands. It reads what the library has already
// accepted, and may therefore be lenient.

// keyOffsets gives the byte offset of every key, table and array element of a
// valid TOML document by pathKey. A table's first mention counts.
func keyOffsets(src string) map[string]int {
	x := indexer{src: src, offsets: map[string]int{}, arrays: map[string]int{}}
	x.document()
	return x.offsets
}

// pathKey is how a path is looked up.
func pathKey(path []string) string { return strings.Join(path, "\x00") }

// child is the path of a key in the table at path.
func child(path []string, key string) []string { return append(path[:len(path):len(path)], key) }

// element is the path of the i-th element of the array at path.
func element(path []string, i int) []string { return child(path, "\x01"+strconv.Itoa(i)) }

// lineColumn is the place of an offset, both from 1, the column in characters.
func lineColumn(src string, offset int) (line, column int) {
	before := src[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

type indexer struct {
	src     string
	i       int
	offsets map[string]int
	table   []string // path of the [table] we are in
	// arrays counts the [[tables]] seen, by the path of their array.
	arrays map[string]int
}

const (
	blank = " \t"
	space = " \t\r\n"
)

func (x *indexer) document() {
	x.i = len(x.src) - len(strings.TrimPrefix(x.src, "\ufeff"))
	for x.skipSpace(); x.more(); x.skipSpace() {
		if x.src[x.i] == '[' {
			x.header()
		} else {
			x.pair(x.table)
		}
	}
}

// header reads [a.b] or [[a.b]].
func (x *indexer) header() {
	start := x.i
	array := x.at("[[")
	x.skip("[")
	parts, _ := x.dotted()
	x.skip("]" + blank)
	var path []string
	for i, part := range parts {
		path = child(path, part)
		x.mark(path, start)
		name := pathKey(path)
		if array && i == len(parts)-1 {
			x.arrays[name]++
		}
		if n := x.arrays[name]; n > 0 { // the name of a [[table]] means its last element
			path = element(path, n-1)
			x.mark(path, start)
		}
	}
	x.table = path
}

// pair reads key = value in the table at path.
func (x *indexer) pair(path []string) {
	parts, starts := x.dotted()
	for i, part := range parts {
		path = child(path, part)
		x.mark(path, starts[i])
	}
	x.skip(blank + "=")
	x.value(path)
}

// dotted reads a.b."c d" and says where each part begins.
func (x *indexer) dotted() (parts []string, starts []int) {
	for {
		x.skip(blank)
		starts = append(starts, x.i)
		parts = append(parts, x.key())
		x.skip(blank)
		if !x.at(".") {
			return parts, starts
		}
		x.i++
	}
}

// key reads one part of a key.
func (x *indexer) key() string {
	start := x.i
	if x.at("'") || x.at(`"`) {
		x.quoted()
		return unquote(x.src[start:x.i])
	}
	x.to(".=]" + space)
	return x.src[start:x.i]
}

// unquote reads a quoted key, whose escapes are those of a string.
func unquote(s string) string {
	var v struct{ K string }
	if _, err := toml.Decode("K = "+s, &v); err != nil {
		return s
	}
	return v.K
}

// value passes over the value of path, marking what is inside.
func (x *indexer) value(path []string) {
	switch {
	case x.at("'") || x.at(`"`):
		x.quoted()
	case x.at("["):
		x.i++
		for n := 0; x.next("]"); n++ {
			x.mark(element(path, n), x.i)
			x.value(element(path, n))
		}
	case x.at("{"):
		x.i++
		for x.next("}") {
			x.pair(path)
		}
	default: // number, boolean or time
		x.to(",]}#\r\n")
	}
}

// next goes to the next member of an array or inline table, and past its end
// if there is none.
func (x *indexer) next(end string) bool {
	for x.skipSpace(); x.at(","); x.skipSpace() {
		x.i++
	}
	if x.at(end) {
		x.i++
		return false
	}
	return x.more()
}

// quoted passes over one of the four kinds of string.
func (x *indexer) quoted() {
	quote := x.src[x.i : x.i+1]
	end := quote
	if x.at(strings.Repeat(quote, 3)) {
		end = strings.Repeat(quote, 3)
	}
	x.i += len(end)
	for x.more() && !x.at(end) {
		if quote == `"` && x.at(`\`) {
			x.i++
		}
		x.i++
	}
	x.i = min(x.i+len(end), len(x.src))
	if len(end) == 3 { // up to two quotes may stand before the closing three
		x.skip(quote)
	}
}

func (x *indexer) mark(path []string, offset int) {
	key := pathKey(path)
	if _, ok := x.offsets[key]; !ok {
		x.offsets[key] = offset
	}
}

func (x *indexer) more() bool       { return x.i < len(x.src) }
func (x *indexer) at(s string) bool { return strings.HasPrefix(x.src[min(x.i, len(x.src)):], s) }

// skip passes over any of these bytes.
func (x *indexer) skip(bytes string) {
	for x.more() && strings.IndexByte(bytes, x.src[x.i]) >= 0 {
		x.i++
	}
}

// skipSpace passes over white space, newlines and comments.
func (x *indexer) skipSpace() {
	for x.skip(space); x.at("#"); x.skip(space) {
		x.to("\n")
	}
}

// to goes to the first of these bytes, or to the end.
func (x *indexer) to(bytes string) {
	for x.more() && strings.IndexByte(bytes, x.src[x.i]) < 0 {
		x.i++
	}
}
