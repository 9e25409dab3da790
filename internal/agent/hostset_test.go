package agent

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestHostSet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, distinct := range []uint32{1, 100, 5_000, 1 << 31} {
		set, want := newHostSet(), map[netip.Addr]bool{}
		for range 100_000 {
			// Neighbours share their high bits, strangers their low ones.
			n := 1 + r.Uint32N(distinct)
			a := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
			if r.IntN(3) == 0 {
				a = netip.AddrFrom16([16]byte{0x20, 1, 14: byte(n >> 8), 15: byte(n)})
			}
			want[a] = true
			set.add(a)
		}
		if set.len() != len(want) {
			t.Errorf("%d hosts, want %d", set.len(), len(want))
		}
	}
}

// BenchmarkHostSet puts a million distinct hosts into a set.
func BenchmarkHostSet(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		set := newHostSet()
		for range 1_000_000 {
			n := r.Uint32()
			set.add(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}))
		}
		if set.len() < 999_000 {
			b.Fatal(set.len())
		}
	}
}

// BenchmarkHostSet6 meets 50,000 IPv6 hosts again and again.
func BenchmarkHostSet6(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	hosts := make([]netip.Addr, 50_000)
	for i := range hosts {
		hosts[i] = netip.AddrFrom16([16]byte{0x20, 1, 2: byte(r.Uint32()), 3: byte(r.Uint32()), 4: byte(r.Uint32()), 15: byte(r.Uint32())})
	}
	for b.Loop() {
		set := newHostSet()
		for range 1_000_000 {
			set.add(hosts[r.IntN(len(hosts))])
		}
	}
}
