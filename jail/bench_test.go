package jail

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/p2pban/p2pban/parser"
)

// benchPeer and benchAddr are as long as real ones.
const (
	benchPeer = "12D3KooWS6SPnxiEssNQ4ua1b5PKLxezJCwjscsZ7mfmfthtX93p"
	benchAddr = "/ip4/203.0.113.66/udp/44788/quic-v1"
)

var _, benchWay = parser.TransportOf(benchAddr)

// benchJail never bans in the benchmarks that don't say so.
func benchJail() Config {
	return Config{Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 1 << 40, BanTime: 10 * time.Minute, Guard: Guard{Off: true}}
}

// hostN is the n-th of 2^32 IPv4 addresses, in an order without locality.
func hostN(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n*2654435761)))
}

func benchEvent(at time.Time, host netip.Addr) parser.Event {
	return parser.Event{Time: at, Rule: "r", Host: host, Addr: benchAddr, Port: 44788, Transport: benchWay, Peer: benchPeer, Weight: 100}
}

func perSecond(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkFewHosts is a flood by 100 hosts, each banned every 90 lines.
func BenchmarkFewHosts(b *testing.B) {
	cfg := Defaults()[0]
	cfg.Rules, cfg.Guard.Off = []string{"r"}, true
	s := mustSet(b, cfg)
	for i := range b.N {
		s.Observe(benchEvent(t0.Add(time.Duration(i)*time.Millisecond), hostN(uint32(i%100))))
	}
	perSecond(b)
}

// BenchmarkDistinctHosts is a flood by ever new hosts, one line each, against a
// full table of a million.
func BenchmarkDistinctHosts(b *testing.B) {
	s := mustSet(b, benchJail())
	for i := range 1_000_000 {
		s.Observe(benchEvent(t0, hostN(uint32(i))))
	}
	b.ResetTimer()
	for i := range b.N {
		s.Observe(benchEvent(t0.Add(time.Duration(i)*time.Microsecond), hostN(uint32(1_000_000+i))))
	}
	perSecond(b)
}

// BenchmarkTrackedHosts shows how the cost of an event grows with the hosts
// that are tracked: each event is of a random one of them. Events come many at
// once, as from a log.
func BenchmarkTrackedHosts(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			cfg := benchJail()
			cfg.FindTime, cfg.MaxEvents = time.Second, 8*n
			s := mustSet(b, cfg)
			r := rand.New(rand.NewPCG(1, 2))
			at := t0
			events := make([]parser.Event, 4*ahead)
			observe := func(count int) {
				for count > 0 {
					k := min(count, len(events))
					for i := range k {
						// Each host has about four lines in its window, which slides.
						at = at.Add(time.Second / 4 / time.Duration(n))
						events[i] = benchEvent(at, hostN(uint32(r.IntN(n))))
					}
					s.ObserveAll(events[:k])
					count -= k
				}
			}
			observe(8 * n)
			b.ResetTimer()
			before := cpuTime(b)
			observe(b.N)
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkNewHosts shows how the cost of an event grows with the hosts of a
// flood: each event is of a host not seen before, up to so many.
func BenchmarkNewHosts(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			before, s := cpuTime(b), mustSet(b, benchJail())
			for i := range b.N {
				if i%n == 0 {
					s = mustSet(b, benchJail())
				}
				s.Observe(benchEvent(t0, hostN(uint32(i))))
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkMillionHosts fills a table and reports the memory of a one-line host
// and the slowest single event on the way.
func BenchmarkMillionHosts(b *testing.B) {
	const n = 1_000_000
	for range b.N {
		before := liveHeap()
		s := mustSet(b, benchJail())
		took := make([]time.Duration, n)
		for i := range n {
			ev := benchEvent(t0.Add(time.Duration(i)), hostN(uint32(i)))
			start := time.Now()
			s.Observe(ev)
			took[i] = time.Since(start)
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[n*9999/10000].Nanoseconds()), "p99.99-ns")
		b.ReportMetric(float64(took[n-1].Nanoseconds()), "max-ns")
		took = nil
		b.ReportMetric(float64(liveHeap()-before)/n, "B/host")
		runtime.KeepAlive(s)
	}
}

// BenchmarkWorstEvent is the dearest event there is: out of order, into a window
// full to the last line but one, of which all blocks but the last few are passed
// to find its place.
func BenchmarkWorstEvent(b *testing.B) {
	cfg := benchJail()
	cfg.MaxRetry = 9000
	full := func() *Set {
		s := mustSet(b, cfg)
		for i := range 8000 {
			ev := benchEvent(t0.Add(time.Duration(i)*time.Microsecond), hostN(1))
			ev.Weight = 1
			s.Observe(ev)
		}
		return s
	}
	s := full()
	b.ResetTimer()
	for i := range b.N {
		if i%900 == 899 {
			b.StopTimer()
			s = full()
			b.StartTimer()
		}
		ev := benchEvent(t0.Add(7950*time.Microsecond), hostN(1))
		ev.Weight = 1
		if s.Observe(ev) != nil {
			b.Fatal("banned")
		}
	}
}

// BenchmarkSnapshot and BenchmarkRestore are of 1,000,000 hosts and 100,000 bans.
func BenchmarkSnapshot(b *testing.B) {
	s := bigSet(b, 1_000_000, 100_000)
	b.ResetTimer()
	for range b.N {
		b.ReportMetric(float64(len(s.Snapshot())), "bytes")
	}
}

func BenchmarkRestore(b *testing.B) {
	data := bigSet(b, 1_000_000, 100_000).Snapshot()
	b.ResetTimer()
	for range b.N {
		s := mustSet(b, bigJail())
		if _, err := s.Restore(data); err != nil {
			b.Fatal(err)
		}
	}
}

func bigJail() Config {
	cfg := benchJail()
	cfg.MaxRetry, cfg.Factor = 200, 2
	return cfg
}

// bigSet tracks hosts, one line each, and has bans.
func bigSet(t testing.TB, hosts, bans int) *Set {
	s := mustSet(t, bigJail())
	line := "2026-11-20T11:20:20.722Z\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\tCANONICAL_PEER_STATUS: peer=" + benchPeer +
		" addr=" + benchAddr + " sample_rate=100 connection_status=\"established\" dir=\"inbound\""
	for i := range bans {
		ev := benchEvent(t0.Add(time.Duration(i)), hostN(uint32(hosts+i)))
		ev.Text = line
		s.Observe(ev)
		s.Observe(ev)
	}
	for i := range hosts {
		s.Observe(benchEvent(t0.Add(time.Duration(bans+i)), hostN(uint32(i))))
	}
	if c, _ := s.Counts("j"); c.Hosts != hosts || c.InForce != bans {
		t.Fatalf("%+v", c)
	}
	return s
}

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// cpuTime is what the process has used: on a shared machine it says more than
// the clock on the wall.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
