package parser

import "testing"

// TestCanonicalAddrIsMultiaddr refuses an address in another form: every
// release prints a multiaddr there.
func TestCanonicalAddrIsMultiaddr(t *testing.T) {
	p := newParser(t, Options{})
	for addr, want := range map[string]Reject{
		"/ip4/198.51.100.7/tcp/1": Accepted,
		"198.51.100.7":            Malformed,
		"198.51.100.7:4001":       Malformed,
	} {
		var res Result
		p.Parse(Line{Text: `time=2026-01-02T10:00:00.000Z level=INFO source=x.go:1 msg=CANONICAL_PEER_STATUS peer="" addr=` + addr +
			` sample_rate=100 connection_status=established dir=inbound`}, &res)
		if res.Reject != want {
			t.Errorf("addr=%s: %v (%s), want %v", addr, res.Reject, res.Detail, want)
		}
	}
}
