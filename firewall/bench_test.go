package firewall

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
)

func BenchmarkInit(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("nftables/bans=%d", n), func(b *testing.B) {
			bans := until(hosts(n), in(time.Hour))
			n := newNFTables(b, Options{})
			b.ReportAllocs()
			for b.Loop() {
				mustInit(b, n, bans...)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(bans)), "ns/ban")
		})
		b.Run(fmt.Sprintf("nft-f/bans=%d", n), func(b *testing.B) {
			netnstest.Require(b)
			tx, _, err := initial(Options{}, until(hosts(n), in(time.Hour)), time.Now())
			if err != nil {
				b.Fatal(err)
			}
			file := b.TempDir() + "/bans.nft"
			if err := os.WriteFile(file, []byte(tx.String()), 0o600); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				run(b, "", "nft", "-f", file)
			}
		})
	}
}

var _ = context.Background
