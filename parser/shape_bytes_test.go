package parser

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// The quick reading of an address is that of the slow one, for addresses right
// and nearly right in every form.
func TestQuickHost(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	accepted := 0
	for range 300_000 {
		ma := nearlyMultiaddr(r)
		host, why := quickHost(ma)
		want, wantWhy, _ := hostOfCanonical(ma)
		if why != wantWhy || host != want && why != Malformed {
			t.Fatalf("%q: %v %v, want %v %v", ma, host, why, want, wantWhy)
		}
		if why == Accepted {
			accepted++
		}
	}
	if accepted < 20_000 || accepted > 280_000 {
		t.Errorf("%d of 300000 addresses accepted: too one-sided to show anything", accepted)
	}
}

func nearlyMultiaddr(r *rand.Rand) string {
	var text string
	if r.IntN(4) == 0 {
		text = fmt.Sprintf("/ip4/%d.%d.%d.%d", r.IntN(260), r.IntN(256), r.IntN(256), r.IntN(256))
	} else {
		var a [16]byte
		for i := range a {
			if r.IntN(2) == 0 {
				a[i] = byte(r.IntN(256))
			}
		}
		if r.IntN(2) == 0 { // a run of zeros, for ::
			from := r.IntN(16)
			clear(a[from : from+r.IntN(17-from)])
		}
		if r.IntN(8) == 0 { // an IPv4 address in an IPv6 one
			copy(a[:], netip.MustParseAddr("::ffff:0:0").AsSlice()[:12])
		}
		addr := netip.AddrFrom16(a)
		text = "/ip6/" + addr.String()
		if r.IntN(4) == 0 {
			text = "/ip6/" + addr.StringExpanded()
		}
	}
	if r.IntN(2) == 0 {
		at := r.IntN(len(text))
		const bytes = ":::00fFgG./%1"
		text = text[:at] + string(bytes[r.IntN(len(bytes))]) + text[min(len(text), at+r.IntN(3)):]
	}
	return text + [...]string{"", "/", "/tcp/4001", "/udp/4001/quic-v1", "/tcp/70000", ":", "/tcp/1/p2p-circuit"}[r.IntN(7)]
}
