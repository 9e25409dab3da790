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

// mixed is one event of a mix, small enough that a benchmark measures the jails
// and not the reading of the events.
type mixed struct {
	host netip.Addr
	peer int16 // index in mixPeers, or none
}

const noPeer = -1

var mixPeers = func() (peers [1000]string) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range peers {
		peers[i] = fmt.Sprintf("12D3KooW%022d%022d", r.Uint64(), r.Uint64())
	}
	return peers
}()

// mix are events as a node under attack logs them, 50 lines a second: a third
// of them connections and the others failed handshakes, a quarter of the hosts
// with IPv6. Hosts are drawn from so many by Zipf's law, or are all new.
func mix(n, hosts int, distinct bool) []mixed {
	r := rand.New(rand.NewPCG(1, 1))
	// The exponent is that of requests to public servers, near 1.
	zipf := rand.NewZipf(r, 1.1, 8, uint64(hosts-1))
	out := make([]mixed, n)
	for i := range out {
		k := uint32(i)
		if !distinct {
			k = uint32(zipf.Uint64())
		}
		out[i] = mixed{mixedHost(k, r), noPeer}
		if r.IntN(3) == 0 {
			out[i].peer = int16(r.IntN(len(mixPeers)))
		}
	}
	return out
}

// events makes the i-th and the following events of a mix.
func events(to []parser.Event, from []mixed, i int) {
	for k := range to {
		m := &from[i+k]
		to[k] = parser.Event{
			Time: t0.Add(time.Duration(i+k) * 20 * time.Millisecond), Rule: "go-libp2p/handshake",
			Host: m.host, Addr: benchAddr, Port: 44788, Transport: benchWay, Weight: 100,
		}
		if m.peer != noPeer {
			to[k].Rule, to[k].Peer = "go-libp2p/connection", mixPeers[m.peer]
		}
	}
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
			all, batch := mix(lines, 200_000, log.distinct), make([]parser.Event, 500)
			b.ResetTimer()
			before := cpuTime(b)
			for range b.N {
				s := mustSet(b, Defaults()...)
				for i := 0; i < lines; i += len(batch) {
					events(batch, all, i)
					s.ObserveAll(batch)
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
		all := mix(40_000, 5_000, distinct)
		for i := 0; i < len(all); {
			batch := make([]parser.Event, min(1+r.IntN(1000), len(all)-i))
			events(batch, all, i)
			i += len(batch)
			var one []Decision
			for _, ev := range batch {
				one = append(one, a.Observe(ev)...)
			}
			if x, y := essence(one), essence(b.ObserveAll(batch)); x != y {
				t.Fatalf("%d events before the end: one by one\n%sat once\n%s", len(all)-i, x, y)
			}
		}
		if !bytes.Equal(a.Snapshot(), b.Snapshot()) {
			t.Error("the snapshots differ")
		}
		if c, _ := a.Counts("libp2p-handshake"); (c.Bans > 0) == distinct || c.Hosts < 1000 {
			t.Errorf("the events test too little: %+v", c)
		}
	}
}
