package state

import (
	"context"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2pban/p2pban/jail"
)

func batch(first, size int) []jail.Decision {
	out := make([]jail.Decision, size)
	for i := range out {
		out[i] = ban(first + i)
	}
	return out
}

func BenchmarkSaveOne(b *testing.B) {
	s := open(b, statePath(b))
	n := 0
	for b.Loop() {
		save(b, s, ban(n))
		n++
	}
}

func BenchmarkSave1000(b *testing.B) {
	s := open(b, statePath(b))
	n := 0
	for b.Loop() {
		save(b, s, batch(n, 1000)...)
		n += 1000
	}
}

// with100k makes a state file of 100,000 bans.
func with100k(b *testing.B) string {
	path := statePath(b)
	s := open(b, path)
	for n := 0; n < 100_000; n += 1000 {
		save(b, s, batch(n, 1000)...)
	}
	s.Close()
	return path
}

func BenchmarkOpen100k(b *testing.B) {
	path := with100k(b)
	for b.Loop() {
		s, saved, err := Open(path)
		if err != nil || len(saved.Bans) != 100_000 {
			b.Fatal(len(saved.Bans), err)
		}
		s.Close()
	}
}

func BenchmarkCheckpoint16MiB(b *testing.B) {
	s := open(b, statePath(b))
	c := Checkpoint{Clock: epoch, Snapshot: make([]byte, 16<<20)}
	b.SetBytes(int64(len(c.Snapshot)))
	for b.Loop() {
		if err := s.Checkpoint(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFlood saves what a flood decides once the jail is full: of every two
// decisions one is a ban of a host from anywhere and one the end of the oldest.
// ns/decision is the wall's, cpu-ns/decision the processor's.
func BenchmarkFlood(b *testing.B) {
	const size = 8192
	s := open(b, statePath(b))
	of := func(n int) jail.Decision {
		d := ban(n)
		spread := uint32(n) * 2654435761
		d.Host = netip.AddrFrom4([4]byte{byte(spread >> 24), byte(spread >> 16), byte(spread >> 8), byte(spread)})
		d.Prefix = netip.PrefixFrom(d.Host, 32)
		d.Evidence.Line = strings.Repeat("a canonical record ", 12)
		return d
	}
	n := 0
	for ; n < 100_000; n += 1000 {
		all := make([]jail.Decision, 1000)
		for i := range all {
			all[i] = of(n + i)
		}
		save(b, s, all...)
	}
	all := make([]jail.Decision, size)
	saved, before := 0, cpu(b)
	for b.Loop() {
		for i := 0; i < size; i += 2 {
			all[i], all[i+1] = unban(of(n-100_000), epoch), of(n)
			n++
		}
		save(b, s, all...)
		saved += size
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(saved), "ns/decision")
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(saved), "cpu-ns/decision")
}

// cpu is what this process has used, user and system.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
