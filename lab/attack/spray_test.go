package attack

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/p2pban/p2pban/parser"
)

// sprayed gives addresses of one /64.
func sprayed() []netip.Addr {
	var all []netip.Addr
	a := netip.MustParseAddr("2001:db8:66:64::1")
	for range 32 {
		all = append(all, a)
		a = a.Next()
	}
	return all
}

func TestSpray64(t *testing.T) {
	n := startNode(t)
	p := n.params()
	p.Sources = sprayed()
	line, attempts := n.until(t, "spray64", p, contains("connection_status=established", "dir=inbound"), nil)
	r := read(t, line)
	if r.Reject != parser.Accepted || !slices.Contains(sprayed(), r.Event.Host) {
		t.Errorf("line %s is %s against %s, want it against one of the sprayed", line, r.Reject, r.Event.Host)
	}
	uses := map[netip.Addr]int{}
	for _, a := range attempts {
		uses[netip.MustParseAddrPort(a.Local).Addr()]++
	}
	for a, n := range uses {
		if n > len(attempts)/len(sprayed())+flatOut {
			t.Errorf("%d of %d attempts came from %s: the sources are not used in turn", n, len(attempts), a)
		}
	}
}

func TestSpray64WantsOne64(t *testing.T) {
	for _, sources := range [][]netip.Addr{nil, {hostile}, sprayed()[:1], {hostile6, sprayed()[0]}} {
		if err := spray64().Run(t.Context(), Params{Sources: sources}, nil); err == nil {
			t.Errorf("sources %v were accepted", sources)
		}
	}
}
