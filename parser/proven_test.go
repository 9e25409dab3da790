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

// TestWebRTCAccusesNobody: the address that go-libp2p logs of a WebRTC peer is
// that of the first STUN packet, and the connection is of whoever sends the others.
// A line is read as a whole and, once its like was seen, by its shape.
func TestWebRTCAccusesNobody(t *testing.T) {
	const (
		head        = "time=2026-01-02T10:00:00.000Z level=INFO source=x.go:1 msg="
		peer        = " peer=12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4 addr=/ip4/198.51.100.7"
		established = " sample_rate=100 connection_status=established dir=inbound"
		failed      = ` sample_rate=100 handshake_failure=noise err="error reading handshake message: EOF"`
	)
	for _, c := range []struct {
		before, after string
		accuses       map[string]bool // by what stands between
	}{
		{head + "CANONICAL_PEER_STATUS" + peer, established, map[string]bool{
			"/tcp/4001": true, "/udp/4001/quic-v1": true, "/udp/4001/quic": true, "/udp/4001/quic-v1/webtransport": true,
			"/udp/4001": false, "/udp/0": false, "/udp/4001/webrtc-direct": false, "/udp/4001/utp": false,
			"/udp/4001/webrtc-direct/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ": false,
		}},
		// WebTransport's noise handshake stands so, inside of a QUIC connection.
		{head + "CANONICAL_PEER_STATUS" + strings.Replace(peer, "12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4", `""`, 1), failed, map[string]bool{
			"/tcp/4001": true, "/udp/4001": true, "/udp/4001/webrtc-direct": false,
		}},
		{strings.Replace(head, "INFO", "WARN", 1) + "CANONICAL_MISBEHAVING_PEER" + peer, " component=x err=x msg=x", map[string]bool{
			"/tcp/4001": true, "/udp/4001/quic-v1": true, "/udp/4001": false,
		}},
		{"2026-11-20T11:06:18.612Z libp2p:connection-manager connection from /ip4/198.51.100.7", " refused - inboundConnectionThreshold exceeded by host 198.51.100.7", map[string]bool{
			"/tcp/4001": true, "/udp/4001/quic-v1": true, "/udp/4001/webrtc-direct": false,
		}},
	} {
		s := NewScanner(newParser(t, Options{}))
		for range 3 { // in any order, and each after all others
			for way, accuses := range c.accuses {
				want := Unproven
				if accuses {
					want = Accepted
				}
				line, res := Line{Text: c.before + way + c.after}, Result{}
				s.Parse(line, &res)
				if res.Reject != want {
					t.Errorf("%v (%s), want %v\n%s", res.Reject, res.Detail, want, line.Text)
				}
				sameReading(t, s, line)
			}
		}
	}
}
