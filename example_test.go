package p2pban_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// The four packages together: a captured log, the built-in rules and jails, and
// a firewall that only remembers what it is told. The package comment of parser
// says what else to tell it of a log to which strangers may write.
func Example() {
	p, err := parser.New(parser.Builtin(), parser.Options{})
	if err != nil {
		log.Fatal(err)
	}
	jails, err := jail.New(jail.Defaults(), jail.Options{})
	if err != nil {
		log.Fatal(err)
	}
	backend := firewall.NewPrint(io.Discard)
	if err := backend.Init(context.Background(), nil); err != nil {
		log.Fatal(err)
	}
	var res parser.Result
	for batch, err := range sources.ReadFile("testdata/captures/go-libp2p/v0.51.0-nocolor.log") {
		if err != nil {
			log.Fatal(err)
		}
		for line := range batch.All() {
			p.Parse(parser.Line{Text: line.Text, Time: line.Time, Cut: line.Cut, Head: line.Head}, &res)
			if res.Reject != parser.Accepted {
				continue
			}
			for _, d := range jails.Observe(res.Event) {
				fmt.Println(d.Action, d.Prefix, "by", d.Jail)
				if err := backend.Apply(context.Background(), change(jails, d.Prefix)); err != nil {
					log.Fatal(err)
				}
			}
		}
	}
	// Output:
	// ban 203.0.113.66/32 by libp2p-churn
	// ban 203.0.113.66/32 by libp2p-handshake
	// ban 203.0.113.66/32 by libp2p-flood
}

// change brings the firewall to what the jails say of a prefix: of several jails
// that have banned it the one whose ban ends last decides.
func change(jails *jail.Set, prefix netip.Prefix) firewall.Change {
	if ban, by := jails.Banned(prefix); by > 0 {
		return firewall.Change{Set: []firewall.Ban{{Prefix: prefix, Until: ban.Until}}}
	}
	return firewall.Change{Lift: []netip.Prefix{prefix}}
}
