// Command goold is a victim of the lab on go-libp2p v0.43, the last release
// whose canonical log has the format that began with v0.21: one string written
// through ipfs/go-log. It serves identify and ping; its log goes to stderr at the
// level that GOLOG_LOG_LEVEL says.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
)

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func main() {
	var listen list
	flag.Var(&listen, "listen", "a `multiaddr` to listen on; give one or more")
	rcmgr := flag.String("rcmgr", "on", "the resource manager: on, as it ships, or off")
	relay := flag.String("relay", "", "the `multiaddr` of a relay to make a reservation at")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := serve(ctx, listen, *rcmgr, *relay); err != nil {
		fmt.Fprintln(os.Stderr, "goold:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, listen []string, rcmgr, relay string) error {
	opts := []libp2p.Option{libp2p.ListenAddrStrings(listen...), libp2p.EnableRelay()}
	if rcmgr == "off" {
		opts = append(opts, libp2p.ResourceManager(&network.NullResourceManager{}))
	}
	h, err := libp2p.New(opts...)
	if err != nil {
		return err
	}
	defer h.Close()
	var renewal time.Time // zero without a relay
	if relay != "" {
		if renewal, err = reserve(ctx, h, relay); err != nil {
			return fmt.Errorf("reserving at %s: %w", relay, err)
		}
	}
	if err := hello(h); err != nil {
		return err
	}
	for !renewal.IsZero() {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(renewal)):
		}
		if renewal, err = reserve(ctx, h, relay); err != nil {
			return fmt.Errorf("renewing the reservation at %s: %w", relay, err)
		}
	}
	<-ctx.Done()
	return nil
}

// hello prints the first line: who this is and where.
func hello(h host.Host) error {
	var addrs []string
	for _, a := range h.Network().ListenAddresses() {
		if !strings.Contains(a.String(), "/p2p-circuit") {
			addrs = append(addrs, a.String()+"/p2p/"+h.ID().String())
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"peer": h.ID().String(), "addrs": addrs, "version": version(),
	})
}

// reserve makes a reservation and says when to do so again: half-way.
func reserve(ctx context.Context, h host.Host, relay string) (time.Time, error) {
	info, err := peer.AddrInfoFromString(relay)
	if err != nil {
		return time.Time{}, err
	}
	if err := h.Connect(ctx, *info); err != nil {
		return time.Time{}, err
	}
	r, err := client.Reserve(ctx, h, *info)
	if err != nil {
		return time.Time{}, err
	}
	return time.Now().Add(time.Until(r.Expiration) / 2), nil
}

func version() string {
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, d := range b.Deps {
			if d.Path == "github.com/libp2p/go-libp2p" {
				return "go-libp2p " + d.Version
			}
		}
	}
	return "go-libp2p of an unknown version"
}
