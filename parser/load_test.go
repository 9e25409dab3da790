package parser

import (
	"slices"
	"strings"
	"testing"
)

// Every built-in rule says what an operator needs to know before he trusts it.
func TestBuiltinIsDocumented(t *testing.T) {
	rs := Builtin()
	for _, r := range rs.Rules() {
		for what, text := range map[string]string{"summary": r.Summary, "setting": r.Setting, "false positives": r.FalsePositives, "source": r.Source, "weight": r.Weight} {
			if text == "" {
				t.Errorf("%s has no %s", r.Name, what)
			}
		}
	}
	for _, u := range rs.Unruled() {
		if u.Implementation == "others" || u.Source == "" {
			t.Errorf("no-rule %q: implementation %q, source %q", u.Record, u.Implementation, u.Source)
		}
	}
	for _, b := range rs.Borrowers() {
		if names, err := rs.Expand(b.Uses); err != nil || len(names) == 0 || b.Notes == "" {
			t.Errorf("%s uses %v: %v, %v", b.Implementation, b.Uses, names, err)
		}
	}
}

// What the tables of log lines name is answered by a rule, a borrowed rule or a
// reason.
func TestEveryImplementationIsAnswered(t *testing.T) {
	rs := Builtin()
	answered := map[string]bool{}
	for _, r := range rs.Rules() {
		answered[r.Implementation] = true
	}
	for _, u := range rs.Unruled() {
		answered[u.Implementation] = true
	}
	for _, b := range rs.Borrowers() {
		answered[b.Implementation] = true
	}
	for _, impl := range []string{
		"go-libp2p", "kubo", "lotus", "celestia", "prysm", "erigon", "js-libp2p", "lodestar", "rust-libp2p", "lighthouse",
		"grandine", "discv5", "polkadot-sdk", "litep2p", "avail", "forest", "nockchain", "tari", "py-libp2p", "nim-libp2p",
		"nimbus", "nwaku", "go-waku", "jvm-libp2p", "teku", "bee", "smoldot", "iroh",
	} {
		if !answered[impl] {
			t.Errorf("%s has neither rule nor reason", impl)
		}
	}
}

func TestExpand(t *testing.T) {
	rs := Builtin()
	for _, c := range []struct{ in, want []string }{
		{[]string{"go-libp2p/*"}, []string{"go-libp2p/connection", "go-libp2p/handshake", "go-libp2p/misbehaving"}},
		{[]string{"kubo/*"}, []string{"go-libp2p/connection", "go-libp2p/handshake", "go-libp2p/misbehaving"}},
		{[]string{"go-libp2p/upgrade", "go-libp2p/connection"}, []string{"go-libp2p/upgrade", "go-libp2p/connection"}},
		{[]string{"js-libp2p/denied", "js-libp2p/*"}, []string{"js-libp2p/denied", "js-libp2p/threshold"}},
		{[]string{"nwaku/*"}, nil}, // none on by default
		{nil, nil},
	} {
		if got, err := rs.Expand(c.in); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("Expand(%v) = %v, %v; want %v", c.in, got, err, c.want)
		}
	}
	for in, want := range map[string]string{
		"go-libp2p/conection": `did you mean "go-libp2p/connection"?`,
		"go-libp2p/nothing":   "go-libp2p has go-libp2p/connection, ",
		"golibp2p/*":          `did you mean "go-libp2p/*"?`,
		"zzz":                 "there are avail/*, celestia/*, ",
	} {
		if _, err := rs.Expand([]string{in}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Expand(%q): %v, want an error with %q", in, err, want)
		}
	}
	if _, err := New(rs, Options{Rules: []string{"go-libp2p/conection"}}); err == nil || !strings.Contains(err.Error(), "did you mean") {
		t.Errorf("New with an unknown rule: %v", err)
	}
	if _, err := New(rs, Options{Format: "slog"}); err == nil || !strings.Contains(err.Error(), "slog-text") {
		t.Errorf("New with an unknown format: %v", err)
	}
}

// What an implementation uses are rules, not what another one uses: a circle of
// such took the stack of whoever named it.
func TestExpandBorrowed(t *testing.T) {
	for uses, want := range map[string]string{
		`"go-libp2p/handshake", "js-libp2p/denied"`: "",
		`"mine/*"`:       `mine.toml:2: uses: no implementation has rules of its own called "mine/*"`,
		`"kubo/*"`:       `called "kubo/*"`,
		`"go-libp2p/*x"`: `called "go-libp2p/*x" (did you mean "go-libp2p/*"?)`,
	} {
		own, err := LoadRules("mine.toml", strings.NewReader("implementation = \"mine\"\nuses = ["+uses+"]\n"))
		if err != nil {
			t.Fatal(err)
		}
		rs := Builtin()
		if err := rs.Add(own); err != nil {
			t.Fatal(err)
		}
		names, err := rs.Expand([]string{"mine/*"})
		if want == "" {
			if err != nil || !slices.Equal(names, []string{"go-libp2p/handshake", "js-libp2p/denied"}) {
				t.Errorf("uses = [%s]: %v, %v", uses, names, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("uses = [%s]: %v, %v; want an error with %q", uses, names, err, want)
		}
	}
}

const goodRule = `implementation = "mine"
[[rule]]
name = "refused"
summary = "the peer was refused"
logger = "app"
message = "refused connection from {addr}"
direction = "inbound"
host = "addr"
`

func TestLoadRules(t *testing.T) {
	rs, err := LoadRules("mine.toml", strings.NewReader(goodRule))
	if err != nil {
		t.Fatal(err)
	}
	r := rs.Lookup("mine/refused")
	if r == nil || r.Position() != "mine.toml:2" || r.Default || r.Weight != "1" {
		t.Fatalf("%+v", r)
	}
	all := Builtin()
	if err := all.Add(rs); err != nil {
		t.Fatal(err)
	}
	if err := all.Add(rs); err == nil || !strings.Contains(err.Error(), "already defined at mine.toml:2") {
		t.Errorf("adding twice: %v", err)
	}
	p, err := New(all, Options{Rules: []string{"mine/refused"}})
	if err != nil {
		t.Fatal(err)
	}
	var res Result
	p.Parse(Line{Text: "2026-11-20T11:20:20.722Z\tINFO\tapp\tapp/app.go:1\trefused connection from /ip4/203.0.113.7/tcp/1"}, &res)
	if res.Reject != Accepted || res.Event.Host.String() != "203.0.113.7" {
		t.Errorf("%v %v (%s)", res.Reject, res.Event.Host, res.Detail)
	}
}

// What a stranger can put no second host into does.
func TestLoadRegex(t *testing.T) {
	for _, expr := range []string{
		`^refused connection from (?P<addr>\S+)$`, `^refused +connection +from (?P<addr>\S+): .*$`, `^refused \S+ from (?P<addr>\S+)$`,
		`^refused (?:timed out |at once )?from (?P<addr>\S+)$`, `^refused [A-Za-z ]{1,64} from (?P<addr>\S+)$`,
	} {
		text := strings.Replace(goodRule, `message = "refused connection from {addr}"`, "regex = '"+expr+"'", 1)
		if _, err := LoadRules("mine.toml", strings.NewReader(text)); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

// What could accuse the wrong host does not load, and the error says where.
func TestLoadRefuses(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(goodRule, old, new, 1) }
	regex := func(expr string) string {
		return with(`message = "refused connection from {addr}"`, "regex = '"+expr+"'")
	}
	for _, c := range []struct{ text, want string }{
		{regex(`refused connection from (?P<addr>\S+)$`), "mine.toml:6: regex: not anchored; begin it with ^"},
		{regex(`^refused connection from (?P<addr>\S+)`), "mine.toml:6: regex: not anchored; end it with $"},
		{regex(`^refused .* connection from (?P<addr>\S+)$`), "mine.toml:6: regex: (?-s:.*) stands before the group \"addr\""},
		{regex(`^refused [^x]+ connection from (?P<addr>\S+)$`), "stands before the group"},
		// Repetitions that take in words one by one, or in several helpings.
		{regex(`^refused (?:\S+ )*from (?P<addr>\S+)$`), "can swallow more than 64 characters"},
		{regex(`^refused .{0,500} ?from (?P<addr>\S+)$`), "can swallow more than 64 characters"},
		{regex(`^refused (?:.{0,500}){2}from (?P<addr>\S+)$`), "can swallow more than 64 characters"},
		{regex(`^refused (?:.{0,40}){2}from (?P<addr>\S+)$`), "can swallow more than 64 characters"},
		{regex(`^refused .{0,40}x.{0,40}from (?P<addr>\S+)$`), "can swallow more than 64 characters"},
		{regex(`^refused (?:[a-z]+| )+from (?P<addr>\S+)$`), "can swallow more than 64 characters"},
		{regex(`^refused (?:\S*\s)*from (?P<addr>\S+)$`), "can swallow more than 64 characters"},
		{regex(`^refused (?:\S+(?: |=))*from (?P<addr>\S+)$`), "can swallow more than 64 characters"},
		{regex(`^refused (?:(?:\S+) )?from (?P<addr>\S+)$`), "can swallow more than 64 characters"},
		{regex(`^refused (?:\S+|\S+ \S+) from (?P<addr>\S+)$`), "can swallow more than 64 characters"},
		{regex(`^refused connection from (?P<addr>[^,])$`), `the group "addr" can take in spaces`},
		{regex(`^refused connection from (?P<addr>.+)$`), `the group "addr" can take in spaces`},
		{regex(`^refused connection from (\S+)$`), "no group (?P<addr>…)"},
		{regex(`^refused connection(?: from (?P<addr>\S+))?$`), "no group (?P<addr>…) at its top level"},
		{regex(`^refused connection (?P<addr>\S+) (?P<addr>\S+)$`), `two groups are called "addr"`},
		{regex(`^x (?P<addr>\S+)$`), "no literal text of 6 letters"},
		{with(`host = "addr"`, ``), "mine.toml:2: no host"},
		{with(`host = "addr"`, `host = ["addr", "other"]`), "mine.toml:8:"},
		{with(`direction = "inbound"`, ``), "mine.toml:2: no direction"},
		{with(`direction = "inbound"`, `direction = "outbound"`), "mine.toml:7: direction is \"outbound\""},
		{with(`direction = "inbound"`, "direction = \"any\"\ndefault = true"), "mine.toml:7: direction = \"any\" also accuses"},
		{with(`direction = "inbound"`, "direction = \"inbound\"\ndirection-field = \"dir\""), "exclude each other"},
		{with(`{addr}"`, `{text...} at {addr}"`), "mine.toml:6: message: {text...} takes all the rest and must stand at the end"},
		{with(`{addr}"`, `{a}{b}"`), "two holes stand side by side"},
		{with(`{addr}"`, `{addr} and {addr}"`), `two holes are called "addr"`},
		{with(`message = `, "tag = \"CANONICAL_PEER_STATUS\"\nmessage = "), "exactly one of tag, message and regex; this one has 2"},
		{with(`message = "refused connection from {addr}"`, `tag = "CANONICAL_X"`), "mine.toml:6: no canonical record \"CANONICAL_X\""},
		{with(`logger = "app"`, "logger = \"app\"\nformats = [\"weald\", \"x\"]"), "mine.toml:6: no format \"x\"; there are slog-text"},
		{with(`host = "addr"`, "host = \"from\"\nformats = [\"weald\"]"), "the message has no hole {from}"},
		{with(`host = "addr"`, "host = \"addr\"\nweight = 0"), "mine.toml:9: weight is 0"},
		{with(`host = "addr"`, "host = \"addr\"\nweight = true"), "mine.toml:9: weight is neither"},
		{with(`host = "addr"`, "host = \"addr\"\nhsot = \"x\""), `mine.toml:9: no key "rule.hsot"`},
		{with(`name = "refused"`, `name = "Refused!"`), "mine.toml:3: name is \"Refused!\""},
		{with(`summary = "the peer was refused"`, ``), "has no summary"},
		{goodRule + strings.TrimPrefix(goodRule, "implementation = \"mine\"\n"), `mine.toml:9: rule "mine/refused" stands twice`},
		{"[[rule]\n", "mine.toml:2:"},
		{strings.Repeat("#", maxRuleFile+1), "at most"},
	} {
		_, err := LoadRules("mine.toml", strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\nerror %v, want %q", c.text[:min(len(c.text), 400)], err, c.want)
		}
	}
	// All errors at once.
	_, err := LoadRules("mine.toml", strings.NewReader(with(`host = "addr"`, "weight = 0")))
	if err == nil || strings.Count(err.Error(), "mine.toml:") != 2 {
		t.Errorf("%v, want two errors", err)
	}
}

func TestPinnedFormat(t *testing.T) {
	line := "2026-11-20T11:20:20.722Z\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\tCANONICAL_PEER_STATUS: peer= addr=/ip4/203.0.113.66/tcp/1 sample_rate=1 handshake_failure=\"tls\" err=\"EOF\""
	var res Result
	for format, want := range map[string]Reject{"": Accepted, "go-log-console": Accepted, "slog-text": Forged} {
		p := newParser(t, Options{Format: format})
		if p.Parse(Line{Text: line}, &res); res.Reject != want {
			t.Errorf("format %q: %v, want %v", format, res.Reject, want)
		}
	}
}
