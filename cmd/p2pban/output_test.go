package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/agent"
	"github.com/p2pban/p2pban/internal/control"
)

// hostile is what a peer may write into a log line, or another user into the
// name of a file: a window title, a cleared screen, by C0 and by C1, a row and
// a column of a table, text from right to left, and bytes that are no UTF-8.
const hostile = "a\x1b]0;title\a\x1b[2J\u009b2J\r\nALARM fake\tx\x7f\u202ez\u2066\u2028\xff\x9bend"

const shown = `a\x1b]0;title\a\x1b[2J\u009b2J\r\nALARM fake x\x7f\u202ez\u2066\u2028\xff\x9bend`

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                  "",
		hostile:             shown,
		"héllo, 世界 \uFFFD…": "héllo, 世界 \uFFFD…",
		`C:\x1b`:            `C:\x1b`,
		"\xef\xbf":          "\uFFFD\\xbf", // half of U+FFFD
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

// fill puts text into every string that v holds, and one member into every list.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key := reflect.New(v.Type().Key()).Elem()
		fill(key, text)
		v.SetMapIndex(key, reflect.New(v.Type().Elem()).Elem())
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), text)
			}
		}
	}
}

func filled[T any](text string) T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), text)
	return v
}

// TestNothingReachesTheTerminal prints everything that a daemon may answer and
// a log may hold, once with harmless text in it and once with hostile: the same
// rows come out, and nothing for the terminal to act on.
func TestNothingReachesTheTerminal(t *testing.T) {
	for name, print := range map[string]func(b *bytes.Buffer, text string){
		"status": func(b *bytes.Buffer, text string) {
			s := filled[control.Status](text)
			s.Alarms[0].Fix = "look\nhere" // of several lines, and ours
			printStatus(b, &s)
		},
		"jail": func(b *bytes.Buffer, text string) { j := filled[control.JailDetail](text); printJail(b, &j) },
		"host": func(b *bytes.Buffer, text string) {
			printHost(b, text, []control.HostStatus{filled[control.HostStatus](text)})
			printHost(b, text, nil)
		},
		"top": func(b *bytes.Buffer, text string) {
			v := filled[view](text)
			b.WriteString(string(draw(&v, screen{})))
		},
		"bans": func(b *bytes.Buffer, text string) {
			printBans(b, func(yield func(control.Ban) error) error { return yield(filled[control.Ban](text)) })
		},
		"history": func(b *bytes.Buffer, text string) {
			printHistory(b, text, []control.Past{filled[control.Past](text)}, 1)
			printHistory(b, text, nil, 1)
		},
		"events": func(b *bytes.Buffer, text string) {
			ban, alarm := filled[control.Event](text), filled[control.Event](text)
			alarm.Ban = nil
			printEvent(b, &ban)
			printEvent(b, &alarm)
		},
		"explain one": func(b *bytes.Buffer, text string) {
			x := filled[agent.Explanation](text)
			printExplanation(b, &x)
		},
		"json": func(b *bytes.Buffer, text string) {
			printJSON(b, filled[control.Status](text))
			printJSON(b, filled[agent.Explanation](text))
		},
	} {
		var harmless, attacked bytes.Buffer
		print(&harmless, "harmless")
		print(&attacked, hostile)
		if !strings.Contains(harmless.String(), "harmless") {
			t.Errorf("%s: no text was printed: %q", name, harmless.String())
		}
		if got, want := strings.Count(attacked.String(), "\n"), strings.Count(harmless.String(), "\n"); got != want {
			t.Errorf("%s: %d lines, with harmless text %d", name, got, want)
		}
		for i, r := range attacked.String() {
			if r != '\n' && notPrintable(r) {
				t.Errorf("%s: %q came through: %q", name, r, attacked.String()[max(0, i-20):i+1])
				break
			}
		}
	}
}

// TestExplainHostileLines runs the command itself on a line, and on a file.
func TestExplainHostileLines(t *testing.T) {
	line := strings.ReplaceAll(hostile, "\n", "") + " = b"
	file := filepath.Join(t.TempDir(), "node.log")
	if err := os.WriteFile(file, []byte(line+"\n"+line+" c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{line, file} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"explain", what}, strings.NewReader(""), &out, &errs); code != 0 {
			t.Fatalf("explain: %d %s", code, errs.String())
		}
		if text := out.String(); strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), notPrintable) {
			t.Errorf("explain prints %q", text)
		}
	}
}

func TestJSONKeepsTheText(t *testing.T) {
	want := strings.ToValidUTF8(hostile, "") + "\U000E0001 <世>" // a tag character, beyond 16 bits
	var b bytes.Buffer
	if err := printJSON(&b, []string{want}); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("printJSON wrote %s, which reads as %q, %v; want %q", b.Bytes(), got, err, want)
	}
	if !strings.Contains(b.String(), "<世>") {
		t.Errorf("what can be printed is not escaped: %s", b.Bytes())
	}
}

// TestEverythingIsSaid holds that no command prints past say and printJSON.
func TestEverythingIsSaid(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if path == "output.go" || strings.HasSuffix(path, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				from, _ := s.X.(*ast.Ident)
				name := s.Sel.Name
				if from != nil && (from.Name == "fmt" && (strings.HasPrefix(name, "Fprint") || strings.HasPrefix(name, "Print")) || from.Name == "io" && name == "WriteString") {
					t.Errorf("%s: %s.%s prints what may be written by strangers: use say", set.Position(s.Pos()), from.Name, name)
				}
			}
			return true
		})
	}
}

// TestLongReason bans with a reason of many characters: a row of any list stays
// one that can be read, and JSON has it whole.
func TestLongReason(t *testing.T) {
	b := control.Ban{Jail: "manual", Reason: strings.Repeat("世", 5000)}
	list := func(yield func(control.Ban) error) error { return yield(b) }
	for name, print := range map[string]func(io.Writer) error{
		"bans":    func(w io.Writer) error { return printBans(w, list) },
		"history": func(w io.Writer) error { return printHistory(w, "", []control.Past{{Action: "ban", Ban: b}}, 10) },
		"events":  func(w io.Writer) error { return printEvent(w, &control.Event{Type: "ban", Ban: &b}) },
		"top":     func(w io.Writer) error { drawLatest(w, []control.Past{{Action: "ban", Ban: b}}); return nil },
	} {
		var out bytes.Buffer
		if err := print(&out); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "世"); n != maxWhy-1 || !strings.Contains(out.String(), "世…") {
			t.Errorf("%s: %d characters of the reason, want %d and an ellipsis", name, n, maxWhy-1)
		}
	}
	var out bytes.Buffer
	if err := printBansJSON(&out, list); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "世"); n != 5000 {
		t.Errorf("JSON has %d characters of the reason, want all 5000", n)
	}
}

// The bans that make a host's next one longer take in the one it has now: that is no ban
// before. And a host that a network's ban keeps out is let in by that network's name.
func TestHostSaysWhatItsBanIs(t *testing.T) {
	host, network := netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("192.0.2.0/24")
	var b bytes.Buffer
	err := printHost(&b, "192.0.2.7", []control.HostStatus{
		{Jail: "churn", Prefix: host, EarlierBans: 1, Ban: &control.Ban{Prefix: host}},
		{Jail: "manual", Prefix: host, Ban: &control.Ban{Prefix: network}},
	})
	if err != nil {
		t.Fatal(err)
	}
	said := b.String()
	if strings.Contains(said, "before") || !strings.Contains(said, "1 ban counted towards the length of the next") {
		t.Errorf("a first ban is shown as\n%s", said)
	}
	if strings.Count(said, "BANNED with 192.0.2.0/24 since") != 1 || strings.Count(said, "BANNED since") != 1 {
		t.Errorf("a host banned by itself and one by its network are shown as\n%s", said)
	}
}
