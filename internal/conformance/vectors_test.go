package conformance

import (
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/p2pban/p2pban/parser"
)

const vectorDir = "../../testdata/canonical"

// vector is one line of the test vectors; accept.toml and reject.toml say what
// the keys mean.
type vector struct {
	Name, Because, Line      string
	Form, Kind, Host, Nobody string
	Peer, Err                string
	ErrHex                   string `toml:"err-hex"`
	Weight                   int64
	Time                     time.Time
	Clause                   Clause
	Repeat                   int
}

func readVectors(t *testing.T, file string) []vector {
	t.Helper()
	var f struct{ Vector []vector }
	meta, err := toml.DecodeFile(filepath.Join(vectorDir, file), &f)
	if err != nil {
		t.Fatal(err)
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		t.Fatalf("%s: keys that nothing reads: %v", file, extra)
	}
	names := map[string]bool{}
	for i := range f.Vector {
		v := &f.Vector[i]
		if names[v.Name] || v.Name == "" || v.Because == "" || v.Line == "" {
			t.Errorf("%s: %q has no name, a name that another has, no reason or no line", file, v.Name)
		}
		names[v.Name] = true
		v.Line = strings.ReplaceAll(v.Line, "REPEAT", strings.Repeat("x", v.Repeat))
		if v.ErrHex != "" {
			b, err := hex.DecodeString(v.ErrHex)
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
			v.Err = string(b)
		}
	}
	return f.Vector
}

func builtinParser(t testing.TB) *parser.Parser {
	t.Helper()
	p, err := parser.New(parser.Builtin(), parser.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// notRead are conforming lines that our own parser does not read yet, with
// what it makes of them. Remove a line from here when it does: the test says so.
var notRead = map[string]parser.Reject{}

func TestAccept(t *testing.T) {
	p := builtinParser(t)
	for _, v := range readVectors(t, "accept.toml") {
		t.Run(v.Name, func(t *testing.T) {
			got := Check(v.Line)
			if got.Clause != "" {
				t.Fatalf("violates [%s] at column %d: %s", got.Clause, got.Column, got.Detail)
			}
			host := ""
			if got.Host.IsValid() {
				host = got.Host.String()
			}
			if got.Form != v.Form || got.Kind != v.Kind || host != v.Host || got.Nobody != v.Nobody {
				t.Errorf("%s %s, host %q, nobody %q; want %s %s, %q, %q", got.Form, got.Kind, host, got.Nobody, v.Form, v.Kind, v.Host, v.Nobody)
			}
			if f, ok := got.rec.get("err"); (v.Err != "") != ok || ok && f.value != v.Err {
				t.Errorf("err is %+v, want %q", f, v.Err)
			}
			if f, ok := got.rec.get("peer"); !ok || f.value != v.Peer {
				t.Errorf("peer is %+v, want %q", f, v.Peer)
			}
			parsed(t, p, &v)
		})
	}
}

// parsed holds the parser against a vector.
func parsed(t *testing.T, p *parser.Parser, v *vector) {
	var res parser.Result
	p.Parse(parser.Line{Text: v.Line}, &res)
	if why, known := notRead[v.Name]; known {
		if res.Reject != why {
			t.Errorf("the parser says %v (%s), not %v: correct notRead", res.Reject, res.Detail, why)
		}
		return
	}
	if v.Nobody != "" {
		if res.Reject.String() != v.Nobody {
			t.Errorf("the parser says %v (%s), want %s", res.Reject, res.Detail, v.Nobody)
		}
		return
	}
	ev := &res.Event
	if res.Reject != parser.Accepted || ev.Host.String() != v.Host {
		t.Fatalf("the parser says %v (%s), host %v; want %s", res.Reject, res.Detail, ev.Host, v.Host)
	}
	if ev.Peer != v.Peer || ev.Weight != v.Weight || !ev.Time.Equal(v.Time) || ev.Rule != "go-libp2p/"+v.Kind {
		t.Errorf("the parser says peer %q, weight %d, %v, %s", ev.Peer, ev.Weight, ev.Time, ev.Rule)
	}
	if e, _ := res.Record.Get("err"); e != v.Err {
		t.Errorf("the parser says err %q, want %q", e, v.Err)
	}
}

// accusesAnyway are lines that do not conform and on which our own parser
// accuses whom it should not. Remove a line from here when it no longer does.
var accusesAnyway = map[string]string{}

func TestReject(t *testing.T) {
	p := builtinParser(t)
	covered := map[Clause]bool{}
	for _, v := range readVectors(t, "reject.toml") {
		t.Run(v.Name, func(t *testing.T) {
			covered[v.Clause] = true
			got := Check(v.Line)
			if got.Clause != v.Clause {
				t.Errorf("violates [%s] at column %d (%s), want [%s]", got.Clause, got.Column, got.Detail, v.Clause)
			}
			if got.Detail == "" || got.Column < 1 || got.Column > len(v.Line)+1 {
				t.Errorf("column %d, detail %q", got.Column, got.Detail)
			}
			var res parser.Result
			p.Parse(parser.Line{Text: v.Line}, &res)
			if res.Reject != parser.Accepted {
				if accusesAnyway[v.Name] != "" {
					t.Errorf("the parser accuses nobody: correct accusesAnyway")
				}
				return
			}
			if host := res.Event.Host.String(); host != v.Host && host != accusesAnyway[v.Name] {
				t.Errorf("the parser accuses %s, want %q", host, v.Host)
			}
		})
	}
	for _, c := range Clauses() {
		if !covered[c] {
			t.Errorf("no line in reject.toml violates [%s]", c)
		}
	}
	for c := range covered {
		if !slices.Contains(Clauses(), c) {
			t.Errorf("reject.toml names a clause [%s] that the specification has not", c)
		}
	}
}
