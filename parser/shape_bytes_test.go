package parser

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// The quick reading of an address is that of the slow one, for addresses right
// and nearly right in every form.
func TestQuickHost(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	accepted := 0
	for range 300_000 {
		ma := nearlyMultiaddr(r)
		addr, why := quickAddr(ma + " sample_rate=100 and so on")
		want, wantWhy, _ := hostOfCanonical(ma)
		if strings.Trim(ma, allAddrBytes) != "" { // left to the parser
			want, wantWhy, ma = netip.Addr{}, Malformed, ""
		}
		if why != wantWhy || addr.host != want && why != Malformed || addr.len != len(ma) {
			t.Fatalf("%q: %+v %v, want %v %v", ma, addr, why, want, wantWhy)
		}
		if why == Accepted {
			accepted++
		}
	}
	if accepted < 20_000 || accepted > 280_000 {
		t.Errorf("%d of 300000 addresses accepted: too one-sided to show anything", accepted)
	}
}

const allAddrBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.:_-"

// Runs are of the same length whether the processor looks at 32 bytes at once or
// the table at each, wherever they end.
func TestRuns(t *testing.T) {
	of := map[uint8]string{peerByte: "123ABCxyz", addrByte: allAddrBytes, plainByte: " !#[]~aZ09"}
	for class, letters := range of {
		for c := range 256 {
			for length := range 100 {
				for _, at := range [...]int{0, 1, 31, 32, length / 2, length - 1} {
					if at < 0 || at > length {
						continue
					}
					b := []byte(strings.Repeat(letters, 30)[:length+1])
					b[at] = byte(c)
					want := len(b)
					if byteClasses[c]&class == 0 {
						want = at
					}
					if got := run(string(b), class); got != want {
						t.Fatalf("class %d, byte %#x at %d of %d: %d, want %d", class, c, at, len(b), got, want)
					}
				}
			}
		}
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
