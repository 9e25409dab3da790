package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hard holds every form in which TOML lets a key or an element stand.
const hard = "\ufeff# a comment with [brackets] and = signs\n" +
	"plain = 1\r\n" +
	"a.b . \"c d\" = '''\n[not.a.table]\nplain = 2\n''' # after\n" +
	"basic = \"a \\\" ] } # = \\\\\" # after\n" +
	"multi = \"\"\"\nx = 1 \\\"\"\" [y]\n\"\"\"\"\"\n" +
	"literal = 'C:\\'\n" +
	"list = [ # comment ]\n  1, \"two\",\n  ['three', [4]], # }\n  {five = 5, six.seven = [6]},\n]\n" +
	"empty = []\nnothing = {}\n" +
	"[ table . \"x.y\" ]\nkey='v'\n" +
	"[[many]]\nn = 1\n[many.inner]\nm = 1\n[[many]]\nn = 2\n[[many.deep]]\nz = 1\n" +
	"[last]\n1979-05-27 = 1979-05-27T07:32:00Z\n'q' = -inf\n"

func TestKeyOffsets(t *testing.T) {
	offsets := keyOffsets(hard)
	got := map[string]string{}
	for path, offset := range offsets {
		rest, _, _ := strings.Cut(hard[offset:], "\n")
		name := strings.ReplaceAll(strings.ReplaceAll(path, "\x00\x01", "#"), "\x00", "/")
		got[name] = rest[:min(len(rest), 7)]
	}
	want := map[string]string{
		"plain": "plain =", "a": "a.b . \"", "a/b": "b . \"c ", "a/b/c d": "\"c d\" =",
		"basic": "basic =", "multi": "multi =", "literal": "literal",
		"list": "list = ", "list#0": "1, \"two", "list#1": "\"two\",", "list#2": "['three", "list#2#0": "'three'",
		"list#2#1": "[4]], #", "list#2#1#0": "4]], # ", "list#3": "{five =", "list#3/five": "five = ",
		"list#3/six": "six.sev", "list#3/six/seven": "seven =", "list#3/six/seven#0": "6]},",
		"empty": "empty =", "nothing": "nothing", "table": "[ table", "table/x.y": "[ table", "table/x.y/key": "key='v'",
		"many": "[[many]", "many#0": "[[many]", "many#0/n": "n = 1", "many#0/inner": "[many.i", "many#0/inner/m": "m = 1",
		"many#1": "[[many]", "many#1/n": "n = 2", "many#1/deep": "[[many.", "many#1/deep#0": "[[many.", "many#1/deep#0/z": "z = 1",
		"last": "[last]", "last/1979-05-27": "1979-05", "last/q": "'q' = -",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// FuzzKeyOffsets holds that in every document the library accepts, each key
// and element is found, and a key where its own text stands.
func FuzzKeyOffsets(f *testing.F) {
	f.Add(hard)
	f.Add("[a]\nb=[[[]]]\n")
	f.Add("\"\\u00e9\" = {\n a = 1,\n}\n")
	f.Add("\"\\e\" = 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		top, err := parse(&file{"f", text})
		if err != nil {
			return // not TOML
		}
		offsets := keyOffsets(text)
		var walk func(path []string, n *node)
		walk = func(path []string, n *node) {
			if len(path) > 0 {
				offset, ok := offsets[pathKey(path)]
				if !ok || offset >= len(text) {
					t.Fatalf("%q: no place", path)
				}
			}
			for k, v := range n.table {
				inner := child(path, k)
				walk(inner, v)
				x := indexer{src: text, i: offsets[pathKey(inner)]}
				if !x.at("[") && x.key() != k {
					t.Fatalf("%q: its place is that of another key", inner)
				}
			}
			for i, v := range n.list {
				walk(element(path, i), v)
			}
		}
		walk(nil, top)
	})
}
