package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxFileBytes bounds one configuration file.
const maxFileBytes = 1 << 20

// file is one file as read.
type file struct{ path, text string }

// node is a value with the place it came from. Exactly one of value, list and
// table is set.
type node struct {
	file   *file
	offset int
	value  any // string, int64, float64, bool or time.Time
	list   []*node
	table  map[string]*node
}

// readFile reads and parses one file. A syntax error is a Problem.
func readFile(path string) (*node, error) {
	f, err := openConfig(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, Problem{File: path, Msg: "this user may not read it", Hint: "run p2pban as root, or name another file with --config"}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, Problem{File: path, Msg: "a directory, not a configuration file", Hint: "name the file in it"}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(text) > maxFileBytes {
		return nil, Problem{File: path, Msg: fmt.Sprintf("longer than %d bytes", maxFileBytes), Hint: "is this a configuration file?"}
	}
	if info, err := f.Stat(); len(text) == 0 && err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return nil, Problem{File: path, Msg: "a pipe that nobody writes to", Hint: "name a file"}
	}
	return parse(&file{path, string(text)})
}

// parse makes the tree of one file.
func parse(f *file) (*node, error) {
	var top map[string]any
	if _, err := toml.Decode(f.text, &top); err != nil {
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			return nil, Problem{File: f.path, Line: syntax.Position.Line, Column: syntax.Position.Col,
				Key: syntax.LastKey, Msg: strings.TrimSuffix(syntax.Message, "."),
				Hint: `this is no valid TOML: text and durations stand in "quotes", and the fault may be just before this place`}
		}
		return nil, Problem{File: f.path, Msg: err.Error()}
	}
	return grow(f, keyOffsets(f.text), nil, top), nil
}

// grow makes the node of value v at path.
func grow(f *file, offsets map[string]int, path []string, v any) *node {
	n := &node{file: f, offset: offsets[pathKey(path)]}
	switch v := v.(type) {
	case map[string]any:
		n.table = make(map[string]*node, len(v))
		for k, member := range v {
			n.table[k] = grow(f, offsets, child(path, k), member)
		}
	case []map[string]any:
		n.list = make([]*node, len(v))
		for i, member := range v {
			n.list[i] = grow(f, offsets, element(path, i), member)
		}
	case []any:
		n.list = make([]*node, len(v))
		for i, member := range v {
			n.list[i] = grow(f, offsets, element(path, i), member)
		}
	default:
		n.value = v
	}
	return n
}

// merge puts what over says over n: tables key by key, everything else whole.
func (n *node) merge(over *node) {
	if n.table == nil || over.table == nil {
		*n = *over
		return
	}
	for _, k := range slices.Sorted(maps.Keys(over.table)) {
		if mine, ok := n.table[k]; ok {
			mine.merge(over.table[k])
		} else {
			n.table[k] = over.table[k]
		}
	}
}

// is names the kind of value, for people.
func (n *node) is() string {
	switch n.value.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a decimal number"
	case bool:
		return "true or false"
	case nil:
		if n.table != nil {
			return "a table"
		}
		return "a list"
	}
	return "a date or time"
}
