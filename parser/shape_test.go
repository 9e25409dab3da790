package parser

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// reading is what a Scanner promises of a Result.
type reading struct {
	event     Event
	reject    Reject
	risk      Risks
	continues bool
}

func readingOf(res *Result) reading {
	return reading{res.Event, res.Reject, res.Risk, res.Continues}
}

// sameReading holds a Scanner that has met shapes to what Parse says, and tells
// whether it knew the line's shape.
func sameReading(t *testing.T, s *Scanner, l Line) (known bool) {
	t.Helper()
	var want, got Result
	s.p.Parse(l, &want)
	if known = s.shapes.read(s.p, &l, &got); !known {
		s.Parse(l, &got)
	}
	if readingOf(&got) != readingOf(&want) {
		t.Fatalf("by shape (%v): %+v\nby Parse: %+v (%s)\n%q", known, readingOf(&got), readingOf(&want), want.Detail, l.Text)
	}
	return known
}

// Every line of every capture and sample reads the same by its shape.
func TestShapesReadCapturesAlike(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testdata, "captures", "*", "*.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	lines := someLines(t)
	for _, f := range files {
		rel, err := filepath.Rel(testdata, f)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, readLines(t, rel)...)
	}
	for name, p := range shapeParsers(t) {
		s := NewScanner(p)
		known := 0
		for _, text := range lines {
			for _, l := range [...]Line{{Text: text}, {Text: text, Ref: sampleRef}, {Text: text, Cut: true}, {Text: text, Distrust: RiskIdentify}} {
				if sameReading(t, s, l) {
					known++
				}
			}
		}
		if known < 100 {
			t.Errorf("%s: only %d of %d lines were read by their shape", name, known, len(lines))
		}
	}
}

func shapeParsers(t testing.TB) map[string]*Parser {
	return map[string]*Parser{
		"default": newParser(t, Options{}), "all": everyRule(t),
		"private": newParser(t, Options{AllowPrivate: true}),
		"pinned":  newParser(t, Options{Format: "slog-text"}),
	}
}

// canonicalSeeds are lines of each shape there is.
func canonicalSeeds(t testing.TB) []string {
	var seeds []string
	for _, l := range append(someLines(t), benchTexts()...) {
		if strings.Contains(l, tagPrefix) && len(l) < 1500 {
			seeds = append(seeds, l)
		}
	}
	const console, slog = "2026-11-20T11:20:20.722+02:00\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\tCANONICAL_PEER_STATUS: peer=", "time=2026-11-20T11:17:22.191-07:00 level=INFO source=/x/transport.go:96 msg=CANONICAL_PEER_STATUS peer="
	return append(seeds,
		console+` addr=/ip4/203.0.113.66/tcp/44788 sample_rate=100 handshake_failure="noise" err="a \"b\" c\\n\t"`,
		console+` addr=/ip4/203.0.113.66/udp/1/quic-v1 sample_rate=100 handshake_failure="noise" err=""`,
		console+somePeer+` addr=/ip6/2001:db8::1/tcp/1/p2p/`+somePeer+`/p2p-circuit sample_rate=100 connection_status="established" dir="inbound"`,
		console+somePeer+` addr=/ip4/10.0.0.1/tcp/1 sample_rate=100 connection_status="established" dir="outbound"`,
		slog+`"" addr=/ip4/203.0.113.66/tcp/50160 sample_rate=100 handshake_failure=tls err="tls: \\ \"x addr=/ip4/8.8.8.8/tcp/1 x\""`,
		slog+`"" addr=/ip4/203.0.113.66/tcp/50160 sample_rate=100 handshake_failure=tls err="a=b"`,
		slog+`"" addr=/ip4/203.0.113.66/tcp/50160 sample_rate=100 handshake_failure=tls err=EOF`,
		slog+`"" addr="" sample_rate=100 handshake_failure=tls err=EOF`,
		slog+somePeer+` addr=/dns4/x.example/tcp/50160 sample_rate=7 connection_status=established dir=inbound`,
		`{"level":"info","ts":"2026-11-20T11:24:21.267+0100","logger":"canonical-log","caller":"tls/transport.go:96","msg":"CANONICAL_PEER_STATUS: peer= addr=/ip4/203.0.113.66/tcp/47654 sample_rate=100 handshake_failure=\"tls\" err=\"a \\\"b\\\" c\\n\\\\\""}`,
	)
}

func benchTexts() []string {
	var lines []string
	for _, l := range benchLines {
		lines = append(lines, l.text)
	}
	return lines
}

// Lines that are nearly of a known shape read as Parse reads them: bytes
// changed, put in and taken out, tokens of other lines in their place.
func TestShapesReadMutantsAlike(t *testing.T) {
	all := canonicalSeeds(t)
	tokens := mutantTokens(all)
	rounds := 25_000
	if testing.Short() {
		rounds = 5_000
	}
	for name, p := range shapeParsers(t) {
		seeds := shapely(p, all)
		r := rand.New(rand.NewPCG(5, 6))
		s := NewScanner(p)
		known, accepted := 0, 0
		for i := range rounds {
			if i%500 == 0 { // let other lines be the first to be met
				s = NewScanner(p)
			}
			var res Result
			seed := seeds[r.IntN(len(seeds))]
			s.Parse(Line{Text: seed}, &res)
			var got Result
			l := Line{Text: mutate(r, seed, tokens)}
			if sameReading(t, s, l) {
				known++
				if s.Parse(l, &got); got.Reject == Accepted {
					accepted++
				}
			}
		}
		if known < rounds/12 || accepted < rounds/20 {
			t.Errorf("%s: of %d mutants %d were of a known shape, %d accepted: too few to show anything", name, rounds, known, accepted)
		}
	}
}

// shapely are the seeds that give a shape.
func shapely(p *Parser, seeds []string) []string {
	var out []string
	for _, seed := range seeds {
		var res Result
		s := NewScanner(p)
		if s.Parse(Line{Text: seed}, &res); len(s.shapes.list) > 0 {
			out = append(out, seed)
		}
	}
	return out
}

// mutantTokens are what stands between the spaces and quotes of the seeds, and
// what is worth trying besides.
func mutantTokens(seeds []string) []string {
	tokens := []string{
		"", " ", `"`, `\"`, `\\`, `\x00`, "\r", "\t", "=", "é", "\x7f", "\x80", ":", "::ffff:1.2.3.4", "/ip4/1.2.3.4/tcp/65536",
		"/ip4/01.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/01", "/ip4/1.2.3.256/tcp/1", "/ip4/224.1.2.3/udp/1", "/ip4/0.1.2.3/tcp/0", "/ip6/::1/tcp/1",
		"/ip6zone/x/ip6/fe80::1/tcp/1", "/ip4/1.2.3.4", "/ip4/1.2.3.4/tcp/1/p2p-circuit", "2026-02-30T23:59:60.999Z", "1969-01-01T00:00:00.000Z",
		"2026-11-20T11:24:21.267", "99", "0", "10001", "outbound", "dir=outbound",
	}
	for _, s := range seeds {
		tokens = append(tokens, strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(" =\t\"", c) })...)
	}
	return tokens
}

func mutate(r *rand.Rand, s string, tokens []string) string {
	for range 1 + r.IntN(2) {
		i := r.IntN(len(s) + 1)
		j := min(len(s), i+r.IntN(4))
		switch r.IntN(5) {
		case 0: // one byte another
			if i < len(s) {
				s = s[:i] + string(rune(r.IntN(256))) + s[i+1:]
			}
		case 1:
			s = s[:i] + s[j:]
		case 2: // a digit counts up: stamps, ports, addresses
			if k := strings.IndexAny(s[i:], "0123456789"); k >= 0 {
				s = s[:i+k] + string(rune('0'+r.IntN(10))) + s[i+k+1:]
			}
		case 3:
			s = s[:i] + tokens[r.IntN(len(tokens))] + s[i:]
		case 4: // another token instead of one
			from := strings.LastIndexAny(s[:i], " =\t\"") + 1
			to := i + max(0, strings.IndexAny(s[i:], " \t\""))
			s = s[:from] + tokens[r.IntN(len(tokens))] + s[to:]
		}
		if s == "" {
			return s
		}
	}
	return s
}

// A rule of one's own that asks for the very fields that a shape lets vary
// keeps shapes from being used.
func TestShapesKeepOffOtherRules(t *testing.T) {
	rules := func(extra string) []*Rule {
		rs, err := LoadRules("x.toml", strings.NewReader(`implementation = "x"
[[rule]]
name = "a"
summary = "s"
tag = "CANONICAL_PEER_STATUS"
direction = "any"
setting = "s"
false-positives = "f"
source = "s"
`+extra))
		if err != nil {
			t.Fatal(err)
		}
		return rs.Rules()
	}
	if !uniform(rules("host = \"addr\"\npeer = \"peer\"\n")) {
		t.Error("a plain rule is not uniform")
	}
	for _, extra := range []string{
		"host = \"addr\"\npeer = \"err\"\n", "host = \"err\"\npeer = \"peer\"\n",
		"host = \"addr\"\npeer = \"peer\"\nwhere = { err = \"EOF\" }\n", "host = \"addr\"\npeer = \"peer\"\nwhere = { peer = \"x\" }\n",
		"host = \"addr\"\npeer = \"peer\"\nwhere = { addr = \"/ip4/{x}\" }\n", "host = \"addr\"\npeer = \"peer\"\nweight = \"err\"\n",
	} {
		if uniform(rules(extra)) {
			t.Errorf("uniform with %q", extra)
		}
	}
}

// FuzzShapes lets the fuzzer look for a line that reads differently.
func FuzzShapes(f *testing.F) {
	seeds := canonicalSeeds(f)
	for _, s := range seeds {
		f.Add(s, s)
	}
	p := everyRule(f)
	f.Fuzz(func(t *testing.T, first, second string) {
		var res Result
		s := NewScanner(p)
		s.Parse(Line{Text: first}, &res)
		sameReading(t, s, Line{Text: second})
		sameReading(t, s, Line{Text: first})
	})
}
