package attack

import (
	"testing"

	"github.com/p2pban/p2pban/parser"
)

// injected is how many lines with forged text a test looks at.
const injected = 8

// TestInjections has each text of an attacker's own in a real node's log, and
// p2pban never take it for the node's.
func TestInjections(t *testing.T) {
	for _, c := range []struct {
		attack string
		inLog  []string // of every line that carries the text
		// rule is what the line is evidence of against its sender, "" if nothing.
		rule string
	}{
		{"inject-alpn", []string{"msg=CANONICAL_PEER_STATUS", "handshake_failure=tls",
			"tls: client requested unsupported application protocols", innocent.String()}, "go-libp2p/handshake"},
		{"inject-cert", []string{"msg=CANONICAL_PEER_STATUS", "handshake_failure=tls",
			"tls: failed to parse client certificate: x509: cannot parse URI", innocent.String()}, "go-libp2p/handshake"},
		{"inject-identify", []string{"level=warn", "logger=net/identify", `msg="failed to identify peer"`, innocent.String()}, ""},
	} {
		t.Run(c.attack, func(t *testing.T) {
			n := startNode(t)
			seen := map[string]bool{}
			carries := contains(c.inLog...)
			n.until(t, c.attack, n.params(), func(line string) bool {
				harmless(t, line)
				if !carries(line) {
					return false
				}
				if c.rule != "" {
					accuses(t, line, c.rule, read(t, line).Event.Host)
				}
				seen[line] = true
				return len(seen) == injected
			}, nil)
		})
	}
}

// harmless fails when p2pban takes the line as evidence against the innocent,
// or a line it believes is not against one of the hostile hosts.
func harmless(t *testing.T, line string) {
	t.Helper()
	r := read(t, line)
	if r.Reject == parser.Accepted && r.Event.Host != hostile && r.Event.Host != hostile6 {
		t.Errorf("line %q is evidence against %s", line, r.Event.Host)
	}
}
