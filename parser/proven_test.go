package parser

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestUnprovenAddress has nobody accused by a datagram with his address on it:
// rust-libp2p says of a connection that failed before or in its handshake whose
// address stood on the first packet, and over QUIC or WebRTC anybody writes that.
func TestUnprovenAddress(t *testing.T) {
	p := everyRule(t)
	overTCP := regexp.MustCompile(`(/ip[46]/[0-9a-f.:]+)/tcp/([0-9]+)`)
	tried := map[string]bool{}
	for _, samples := range loadSamples(t) {
		for _, s := range samples {
			r := Builtin().Lookup(s.Rule)
			if r == nil || !r.BeforeHandshake {
				continue
			}
			for _, udp := range []string{"", "/quic-v1", "/quic", "/webrtc-direct", "/quic-v1/webtransport"} {
				line := overTCP.ReplaceAllString(s.Line, "${1}/udp/${2}"+udp)
				if line == s.Line {
					t.Fatalf("%s: no address over TCP in %s", s.Rule, s.Line)
				}
				var res Result
				p.Parse(Line{Text: line, Ref: sampleRef}, &res)
				if res.Reject != Unproven {
					t.Errorf("%s over /udp%s: %v (%s), want unproven\n%s", s.Rule, udp, res.Reject, res.Detail, line)
				}
			}
			tried[s.Rule] = true
		}
	}
	want := []string{"avail/handshake", "grandine/banned", "grandine/handshake", "lighthouse/banned", "lighthouse/handshake", "polkadot-sdk/handshake"}
	if got := slices.Sorted(maps.Keys(tried)); !slices.Equal(got, want) {
		t.Errorf("rules before the handshake: %v, want %v", got, want)
	}
}

// TestUnprovenOfOwnRules holds it for a rule of an operator's own, on the way
// that is quick for the built-in ones.
func TestUnprovenOfOwnRules(t *testing.T) {
	own, err := LoadRules("own.toml", strings.NewReader(`
implementation = "own"
[[rule]]
name             = "x"
summary          = "x"
tag              = "CANONICAL_PEER_STATUS"
host             = "addr"
peer             = "peer"
direction        = "inbound"
before-handshake = true
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(own, Options{Rules: []string{"own/x"}})
	if err != nil {
		t.Fatal(err)
	}
	s := NewScanner(p)
	for _, c := range []struct {
		way  string
		want Reject
	}{
		{"/tcp/1", Accepted}, {"/tcp/1/tls/sni/example.com/ws", Accepted}, {"/udp/1/quic-v1", Unproven}, {"/udp/1", Unproven}, {"", Unproven},
	} {
		line := "time=2026-01-02T10:00:00.000Z level=INFO source=x.go:1 msg=CANONICAL_PEER_STATUS peer=12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4 addr=/ip4/198.51.100.7" + c.way + " sample_rate=1 connection_status=established dir=inbound"
		for range 3 { // it learns the line's shape
			var res Result
			s.Parse(Line{Text: line}, &res)
			if res.Reject != c.want {
				t.Errorf("%s: %v (%s), want %v", c.way, res.Reject, res.Detail, c.want)
			}
		}
	}
}
