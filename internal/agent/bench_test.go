package agent

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/netnstest"
	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
)

// BenchmarkStart starts the daemon with 100,000 bans in force: from the state
// file to the kernel. cpu-s/op is what the process and the kernel spent on it.
func BenchmarkStart(b *testing.B) {
	netnstest.Require(b)
	const bans = 100_000
	dir := b.TempDir()
	path := filepath.Join(dir, "p2pban.toml")
	toml := "[source.node]\nfile = \"" + dir + "/node.log\"\n[jail.libp2p-flood]\n[daemon]\nsocket = \"" + dir + "/sock\"\nstate = \"" + dir + "/state.db\"\n"
	if err := os.WriteFile(path, []byte(toml), 0o600); err != nil {
		b.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		b.Fatal(err)
	}
	fillState(b, cfg, bans)
	before := cpu(b)
	for b.Loop() {
		store, saved, err := state.Open(cfg.Daemon.State)
		if err != nil {
			b.Fatal(err)
		}
		a, err := build(context.Background(), Options{Config: cfg, Log: slog.New(slog.DiscardHandler), Out: io.Discard}, store, saved, "")
		if err != nil {
			b.Fatal(err)
		}
		if n := len(a.engine.listBans()); n != bans || !a.engine.enforcers[0].Status().Healthy {
			b.Fatalf("%d bans, %+v", n, a.engine.enforcers[0].Status())
		}
		a.engine.enforcers[0].backend.Close()
		store.Close()
	}
	b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N), "cpu-s/op")
}

// fillState writes what a daemon leaves: bans of one jail, each with its
// evidence, and a checkpoint in which they stand too.
func fillState(b *testing.B, cfg *config.Config, bans int) {
	store, _, err := state.Open(cfg.Daemon.State)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	now := time.Now().UTC()
	all := make([]jail.Decision, bans)
	for i := range all {
		host := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		if i >= 1<<16 {
			host = netip.AddrFrom4([4]byte{198, 19, byte(i >> 8), byte(i)})
		}
		all[i] = jail.Decision{
			Jail: "libp2p-flood", Host: host, Prefix: netip.PrefixFrom(host, 32), At: now, Until: now.Add(time.Hour), Failures: 9000,
			Evidence: jail.Evidence{
				Rules: map[string]int{"go-libp2p/connection": 90}, First: now.Add(-time.Minute), Last: now,
				Ports: []uint16{4001}, Transports: []string{"tcp"}, Line: statusLine(host),
			},
		}
	}
	jails, _, err := restoreJails(cfg.Jails, jail.Options{}, state.Saved{Bans: all}, time.Now(), slog.New(slog.DiscardHandler))
	if err == nil {
		err = store.Checkpoint(context.Background(), state.Checkpoint{Clock: now, Snapshot: jails.Snapshot()})
	}
	if err != nil {
		b.Fatal(err)
	}
	for len(all) > 0 {
		n := min(len(all), 1000)
		if err := store.SaveDecisions(context.Background(), all[:n]); err != nil {
			b.Fatal(err)
		}
		all = all[n:]
	}
}

// cpu is what this process has used, user and system.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
