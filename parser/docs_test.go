package parser

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const rulesDoc = "../docs/rules.md"

// keysOf gives the TOML keys of a table, those of tables embedded in it too.
func keysOf(table reflect.Type) []string {
	var keys []string
	for f := range table.Fields() {
		switch tag := f.Tag.Get("toml"); {
		case f.Anonymous:
			keys = append(keys, keysOf(f.Type)...)
		case tag != "-":
			keys = append(keys, tag)
		}
	}
	return keys
}

// TestDocsNameEveryKeyAndFormat holds that who writes rules is told of all that
// a rule file can say, and that the table has no key that is none.
func TestDocsNameEveryKeyAndFormat(t *testing.T) {
	doc, err := os.ReadFile(rulesDoc)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, table := range []reflect.Type{reflect.TypeFor[ruleFile](), reflect.TypeFor[rawRule](), reflect.TypeFor[rawNoRule]()} {
		for _, key := range keysOf(table) {
			known[key] = true
			if !regexp.MustCompile("`" + key + "[` ]|\\[\\[(rule\\.)?" + key + "\\]\\]").Match(doc) {
				t.Errorf("%s does not explain the key %q", rulesDoc, key)
			}
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(string(doc), -1)
	if len(rows) == 0 {
		t.Fatalf("%s has no table of keys", rulesDoc)
	}
	for _, row := range rows {
		if !known[row[1]] {
			t.Errorf("%s explains the key %q, which no rule file has", rulesDoc, row[1])
		}
	}
	for _, format := range Formats() {
		if !strings.Contains(string(doc), "`"+format+"`") {
			t.Errorf("%s does not name the format %q", rulesDoc, format)
		}
	}
}

// TestDocsExampleOfARule loads the example and reads the example's line by it.
func TestDocsExampleOfARule(t *testing.T) {
	doc, err := os.ReadFile(rulesDoc)
	if err != nil {
		t.Fatal(err)
	}
	block := func(info string) string {
		_, rest, ok := strings.Cut(string(doc), "```"+info+"\n")
		if !ok {
			t.Fatalf("%s has no block %q", rulesDoc, info)
		}
		text, _, _ := strings.Cut(rest, "```")
		return text
	}
	rules, err := LoadRules("mine.toml", strings.NewReader(block("toml rules")))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(rules, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var res Result
	p.Parse(Line{Text: strings.TrimSuffix(block("json line"), "\n")}, &res)
	if ev := res.Event; res.Reject != Accepted || ev.Rule != "mine/refused" || ev.Host.String() != "198.51.100.7" {
		t.Errorf("the line is %v (%s), rule %q, host %v; want mine/refused by 198.51.100.7", res.Reject, res.Detail, ev.Rule, ev.Host)
	}
}
