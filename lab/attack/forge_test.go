package attack

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestTextsFitAProtocolName holds every text to what TLS takes as the name of
// an application protocol: a longer one is cut, and what it lacks is its end.
func TestTextsFitAProtocolName(t *testing.T) {
	for _, who := range []netip.Addr{innocent, netip.MustParseAddr("2001:db8:ffff::ff99")} {
		f, err := newForger(Params{Innocent: who})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		rounds := 2 * len(breakouts) * len(f.records(time.Now()))
		now := time.Now()
		for n := range rounds {
			text := f.text(n, now)
			if len(text) > maxProtocol {
				t.Errorf("text %d has %d bytes: %q", n, len(text), text)
			}
			if !strings.Contains(text, who.String()) {
				t.Errorf("text %d does not name %s: %q", n, who, text)
			}
			seen[text] = true
		}
		if len(seen) != rounds {
			t.Errorf("%d of %d texts differ", len(seen), rounds)
		}
	}
}
