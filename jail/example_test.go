package jail_test

import (
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
)

// Three failures within ten seconds are a ban of a minute. The clock is that of
// the events; Advance moves it when none come.
func ExampleSet() {
	jails, err := jail.New([]jail.Config{{
		Name:     "refused",
		Rules:    []string{"mine/refused"},
		FindTime: 10 * time.Second,
		MaxRetry: 3,
		BanTime:  time.Minute,
	}}, jail.Options{})
	if err != nil {
		log.Fatal(err)
	}
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for i := range 3 {
		for _, d := range jails.Observe(parser.Event{
			Time:   start.Add(time.Duration(i) * 5 * time.Second),
			Rule:   "mine/refused",
			Host:   netip.MustParseAddr("198.51.100.7"),
			Weight: 1,
		}) {
			fmt.Println(d.At.Format(time.TimeOnly), d.Action, d.Prefix, d.Failures, "until", d.Until.Format(time.TimeOnly))
		}
	}
	for _, d := range jails.Advance(start.Add(2 * time.Minute)) {
		fmt.Println(d.At.Format(time.TimeOnly), d.Action, d.Prefix)
	}
	// Output:
	// 12:00:10 ban 198.51.100.7/32 3 until 12:01:10
	// 12:01:10 unban 198.51.100.7/32
}
