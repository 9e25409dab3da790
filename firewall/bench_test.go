package firewall

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
	"golang.org/x/sys/unix"
)

var sizes = []int{1, 1000, 100_000, 1_000_000}

// perBan reports the time and the processor time (ours and the kernel's on our
// behalf, children included) that one ban took. What prepare does is not
// counted; it may be nil.
func perBan(b *testing.B, bans int, prepare, work func()) {
	b.Helper()
	var cpu time.Duration
	for b.Loop() {
		if prepare != nil {
			b.StopTimer()
			prepare()
			b.StartTimer()
		}
		before := cpuTime(b)
		work()
		cpu += cpuTime(b) - before
	}
	n := float64(b.N) * float64(bans)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/ban")
	b.ReportMetric(float64(cpu.Nanoseconds())/n, "cpu-ns/ban")
}

func cpuTime(b *testing.B) time.Duration {
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

func empty(b *testing.B) func() {
	return func() { run(b, "", "nft", "flush", "ruleset") }
}

// BenchmarkAssert installs all bans at once, as a start does, beside the same
// work done by nft from a file and by ipset restore.
func BenchmarkAssert(b *testing.B) {
	for _, n := range sizes {
		bans := until(hosts(n), in(time.Hour))
		b.Run(fmt.Sprintf("bans=%d/p2pban-nftables", n), func(b *testing.B) {
			backend := newNFTables(b, Options{})
			perBan(b, n, empty(b), func() { mustInit(b, backend, bans...) })
		})
		b.Run(fmt.Sprintf("bans=%d/nft-f", n), func(b *testing.B) {
			newNFTables(b, Options{})
			tx, _, err := initial(Options{}, bans, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			file := filepath.Join(b.TempDir(), "bans.nft")
			if err := os.WriteFile(file, []byte(tx.String()), 0o600); err != nil {
				b.Fatal(err)
			}
			perBan(b, n, empty(b), func() { run(b, "", "nft", "-f", file) })
		})
		b.Run(fmt.Sprintf("bans=%d/p2pban-iptables", n), func(b *testing.B) {
			backend := newIPTables(b, "nft", Options{})
			perBan(b, n, nil, func() { mustInit(b, backend, bans...) })
		})
		b.Run(fmt.Sprintf("bans=%d/ipset-restore", n), func(b *testing.B) {
			backend := newIPTables(b, "nft", Options{})
			mustInit(b, backend)
			entries, _, err := ipsetEntries(bans, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			script := backend.fillScript(entries, []string{ipset4, ipset6})
			perBan(b, n, nil, func() { run(b, script, "ipset", "restore", "-exist") })
		})
	}
}

// BenchmarkBan installs bans by one change while 10,000 others stand and the
// daemon's watch listens: fresh ones, as nearly all are, ones that stand, and
// ones that stand and are said to be fresh; beside one run of nft for a ban,
// which is how fail2ban does it.
func BenchmarkBan(b *testing.B) {
	for _, n := range []int{1, 500} {
		moved := Change{Set: until(hosts(20_000)[10_000:][:n], in(time.Hour))}
		fresh := moved.stale()
		for i := range fresh.Set {
			fresh.Set[i].Fresh = true
		}
		lift := Change{Lift: hosts(20_000)[10_000:][:n]}
		for _, k := range []struct {
			name          string
			before, timed Change
		}{{"fresh", lift, fresh}, {"moved", moved, moved}, {"mistaken", moved, fresh}} {
			b.Run(fmt.Sprintf("bans=%d/p2pban-nftables/%s", n, k.name), func(b *testing.B) {
				backend := newNFTables(b, Options{})
				mustInit(b, backend, until(hosts(10_000), in(time.Hour))...)
				ctx, cancel := context.WithCancel(context.Background())
				b.Cleanup(cancel)
				go backend.Watch(ctx, func(Disturbance) {})
				perBan(b, n, func() { mustApply(b, backend, k.before) }, func() { mustApply(b, backend, k.timed) })
			})
		}
	}
	b.Run("bans=1/process-per-ban", func(b *testing.B) {
		backend := newNFTables(b, Options{})
		mustInit(b, backend, until(hosts(10_000), in(time.Hour))...)
		path := netnstest.LookPath(b, "nft")
		perBan(b, 1, nil, func() { run(b, "", path, "add element inet p2pban ipv4 { 192.0.2.1 timeout 1h }") })
	})
}

// BenchmarkLiftAll lifts every ban, by one change and by a fresh start.
func BenchmarkLiftAll(b *testing.B) {
	for _, n := range sizes[2:] {
		bans := until(hosts(n), in(time.Hour))
		for name, lift := range map[string]func(*NFTables){
			"change": func(backend *NFTables) { mustApply(b, backend, Change{Lift: hosts(n)}) },
			"init":   func(backend *NFTables) { mustInit(b, backend) },
		} {
			b.Run(fmt.Sprintf("bans=%d/%s", n, name), func(b *testing.B) {
				backend := newNFTables(b, Options{})
				perBan(b, n, func() { mustInit(b, backend, bans...) }, func() { lift(backend) })
			})
		}
	}
}

// BenchmarkVerify reads back rules and a sample while many bans stand.
func BenchmarkVerify(b *testing.B) {
	for _, n := range sizes[1:] {
		b.Run(fmt.Sprintf("bans=%d", n), func(b *testing.B) {
			backend := newNFTables(b, Options{})
			mustInit(b, backend, until(hosts(n), in(time.Hour))...)
			for b.Loop() {
				if err := backend.Verify(context.Background(), nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLookup reads back a thousand of many bans.
func BenchmarkLookup(b *testing.B) {
	backend := newNFTables(b, Options{})
	all := hosts(100_000)
	mustInit(b, backend, until(all, in(time.Hour))...)
	some := all[:1000]
	for b.Loop() {
		if found, err := backend.Lookup(context.Background(), some); err != nil || len(found) != len(some) {
			b.Fatalf("%d of %d found: %v", len(found), len(some), err)
		}
	}
}

// BenchmarkPlan is our own part of an assert: bans to transaction.
func BenchmarkPlan(b *testing.B) {
	bans := until(hosts(100_000), in(time.Hour))
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := initial(Options{}, bans, now); err != nil {
			b.Fatal(err)
		}
	}
}
