package parser_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/p2pban/p2pban/parser"
)

// The built-in rules read the logs of the implementations they name. A line is
// an event that accuses a host, or has a reason why it is none.
func ExampleParser_Parse() {
	p, err := parser.New(parser.Builtin(), parser.Options{})
	if err != nil {
		log.Fatal(err)
	}
	var res parser.Result
	for _, text := range []string{
		`time=2026-11-20T11:17:19.901Z level=INFO source=swarm/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer=12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4 addr=/ip4/198.51.100.7/tcp/44788 sample_rate=100 connection_status=established dir=inbound`,
		`time=2026-11-20T11:17:19.902Z level=INFO source=swarm/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer=12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4 addr=/ip4/198.51.100.8/tcp/4001 sample_rate=100 connection_status=established dir=outbound`,
		`starting the node`,
	} {
		p.Parse(parser.Line{Text: text}, &res)
		if ev := res.Event; res.Reject == parser.Accepted {
			fmt.Println(ev.Host, ev.Rule, ev.Weight, ev.Time)
		} else {
			fmt.Println(res.Reject, res.Detail)
		}
	}
	// Output:
	// 198.51.100.7 go-libp2p/connection 100 2026-11-20 11:17:19.901 +0000 UTC
	// outbound our node dialled this connection
	// unrecognised
}

// A rule for an application's own line. Only what stands in the place of
// {addr} is taken for the host, wherever else in the line an address may be.
func ExampleLoadRules() {
	rules, err := parser.LoadRules("mine.toml", strings.NewReader(`
implementation = "mine"
[[rule]]
name      = "refused"
summary   = "the peer sent a request that the application refused"
default   = true
logger    = "app"
message   = "refused request from {addr}: {reason...}"
direction = "inbound"
host      = "addr"
`))
	if err != nil {
		log.Fatal(err)
	}
	p, err := parser.New(rules, parser.Options{})
	if err != nil {
		log.Fatal(err)
	}
	var res parser.Result
	p.Parse(parser.Line{Text: `{"level":"warn","ts":"2026-11-20T11:17:19Z","logger":"app","caller":"app/serve.go:12","msg":"refused request from /ip4/198.51.100.7/tcp/44788: too many, like /ip4/192.0.2.1/tcp/1"}`}, &res)
	fmt.Println(res.Event.Rule, res.Event.Host)
	// Output: mine/refused 198.51.100.7
}
