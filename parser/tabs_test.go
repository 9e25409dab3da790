package parser

import (
	"strings"
	"testing"
)

// A record as go-libp2p v0.43 prints it.
const tabbed = "2026-11-20T11:20:20.722Z\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\tCANONICAL_PEER_STATUS: peer=12D3KooWS6SPnxiEssNQ4ua1b5PKLxezJCwjscsZ7mfmfthtX93p addr=/ip4/203.0.113.66/tcp/44788 sample_rate=100 connection_status=\"established\" dir=\"inbound\""

// TestTabsLost tells a record whose tabs became something else on the way from
// one that somebody made up: both are refused, but one has a cure.
func TestTabsLost(t *testing.T) {
	p := everyRule(t)
	replaced := func(by string) string { return strings.ReplaceAll(tabbed, "\t", by) }
	coloured := strings.Replace(tabbed, "INFO", "\x1b[34mINFO\x1b[0m", 1)
	for name, tt := range map[string]struct {
		line string
		lost bool
	}{
		"one space":              {replaced(" "), true},
		"four spaces":            {replaced("    "), true},
		"as a terminal shows it": {"2026-11-20T11:20:20.722Z        INFO    canonical-log   swarm/swarm_listen.go:128       " + tabbed[strings.Index(tabbed, "CANONICAL"):], true},
		"escaped":                {replaced(`\t`), true},
		"caret":                  {replaced("^I"), true},
		"in colour":              {strings.ReplaceAll(coloured, "\t", " "), true},
		"in syslog":              {"Nov 20 11:30:48 vm ipfs[46133]: " + replaced(" "), true},
		"misbehaving":            {"2026-11-20T11:20:20.722Z WARN canonical-log x/y.go:1 CANONICAL_MISBEHAVING_PEER: peer=x", true},

		"text before":            {"x " + replaced(" "), false},
		"another logger":         {strings.Replace(replaced(" "), "canonical-log", "net/identify", 1), false},
		"in another's text":      {"2026-11-20T11:20:20.722Z ERROR net/identify x/y.go:1 " + replaced(" "), false},
		"no gap":                 {strings.Replace(replaced(" "), " CANONICAL", "CANONICAL", 1), false},
		"no position":            {strings.Replace(replaced(" "), " swarm/swarm_listen.go:128", "", 1), false},
		"no level":               {strings.Replace(replaced(" "), " INFO", "", 1), false},
		"text before the record": {strings.Replace(replaced(" "), "CANONICAL", "x CANONICAL", 1), false},
	} {
		var res Result
		p.Parse(Line{Text: tt.line}, &res)
		if res.Reject != Forged {
			t.Errorf("%s: %v (%s), want forged", name, res.Reject, res.Detail)
		}
		if res.TabsLost != tt.lost || strings.Contains(res.Detail, "tabs") != tt.lost {
			t.Errorf("%s: TabsLost is %v and the detail %q, want %v", name, res.TabsLost, res.Detail, tt.lost)
		}
	}
	var res Result
	for _, fine := range []string{"\t", "#011", "        "} {
		p.Parse(Line{Text: replaced(fine)}, &res)
		if res.Reject != Accepted || res.TabsLost {
			t.Errorf("tabs as %q: %v, %v", fine, res.Reject, res.TabsLost)
		}
	}
}
