package firewall_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"
	"time"

	"github.com/p2pban/p2pban/firewall"
)

// Print shows what would be done; Auto gives in its place the backend of this
// machine's kernel, which is used in the same way.
func ExampleBackend() {
	ctx := context.Background()
	var backend firewall.Backend = firewall.NewPrint(io.Discard)
	defer backend.Close()

	// What stood before, from a state file, say.
	if err := backend.Init(ctx, []firewall.Ban{{Prefix: netip.MustParsePrefix("192.0.2.7/32")}}); err != nil {
		log.Fatal(err)
	}
	change := firewall.Change{
		Set: []firewall.Ban{{
			Prefix: netip.MustParsePrefix("2001:db8:5:6::/64"),
			Until:  time.Now().Add(time.Hour),
		}},
		Lift: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")},
	}
	if err := backend.Apply(ctx, change); err != nil {
		log.Fatal(err, firewall.Hint(err))
	}
	bans, err := backend.List(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, ban := range bans {
		fmt.Println(ban.Prefix)
	}
	// Output: 2001:db8:5:6::/64
}
