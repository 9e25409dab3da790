package jail

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/p2pban/p2pban/parser"
)

// mix are events as a node under attack logs them, 50 lines a second: a third
// of them connections and the others failed handshakes, a quarter of the hosts
// with IPv6. Hosts are drawn from so many by Zipf's law, or are all new.
func mix(n, hosts int, distinct bool) []parser.Event {
	r := rand.New(rand.NewPCG(1, 1))
	// The exponent is that of requests to public servers, near 1.
	zipf := rand.NewZipf(r, 1.1, 8, uint64(hosts-1))
	peers := make([]string, 1000)
	for i := range peers {
		peers[i] = fmt.Sprintf("12D3KooW%022d%022d", r.Uint64(), r.Uint64())
	}
	out := make([]parser.Event, n)
	for i := range out {
		k := uint32(i)
		if !distinct {
			k = uint32(zipf.Uint64())
		}
		ev := parser.Event{
			Time: t0.Add(time.Duration(i) * 20 * time.Millisecond), Rule: "go-libp2p/handshake",
			Host: mixedHost(k, r), Addr: benchAddr, Weight: 100,
		}
		if r.IntN(3) == 0 {
			ev.Rule, ev.Peer = "go-libp2p/connection", peers[r.IntN(len(peers))]
		}
		out[i] = ev
	}
	return out
}

// mixedHost is the k-th of 2^30 hosts, three in four of them with IPv4.
func mixedHost(k uint32, r *rand.Rand) netip.Addr {
	spread := k * 2654435761 & (1<<30 - 1)
	if k%4 != 3 {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 32<<24+spread)))
	}
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(1 + r.IntN(9))}
	binary.BigEndian.PutUint32(b[4:], spread)
	return netip.AddrFrom16(b)
}

// BenchmarkDefaultJails judges a log in the default jails, from an empty Set on
// as a dry run does: lines of 200,000 hosts by Zipf's law, and of ever new ones.
func BenchmarkDefaultJails(b *testing.B) {
	const lines = 1_000_000
	for _, log := range []struct {
		name     string
		distinct bool
	}{{"zipf", false}, {"distinct", true}} {
		b.Run(log.name, func(b *testing.B) {
			events := mix(lines, 200_000, log.distinct)
			b.ResetTimer()
			before := cpuTime(b)
			for range b.N {
				s := mustSet(b, Defaults()...)
				for i := 0; i < len(events); i += 1000 {
					s.ObserveAll(events[i : i+1000])
				}
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N)/lines, "cpu-ns/event")
		})
	}
}

// TestObserveAllDecidesAsObserve: the same events, one by one and many at once,
// through tables that grow, empty and ban.
func TestObserveAllDecidesAsObserve(t *testing.T) {
	for _, distinct := range []bool{false, true} {
		a, b := mustSet(t, Defaults()...), mustSet(t, Defaults()...)
		r := rand.New(rand.NewPCG(3, 3))
		for events := mix(40_000, 5_000, distinct); len(events) > 0; {
			n := min(1+r.IntN(1000), len(events))
			var one []Decision
			for _, ev := range events[:n] {
				one = append(one, a.Observe(ev)...)
			}
			if x, y := essence(one), essence(b.ObserveAll(events[:n])); x != y {
				t.Fatalf("%d events before the end: one by one\n%sat once\n%s", len(events), x, y)
			}
			events = events[n:]
		}
		if !bytes.Equal(a.Snapshot(), b.Snapshot()) {
			t.Error("the snapshots differ")
		}
		if c, _ := a.Counts("libp2p-handshake"); (c.Bans > 0) == distinct || c.Hosts < 1000 {
			t.Errorf("the events test too little: %+v", c)
		}
	}
}
