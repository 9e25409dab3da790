// Command victim is the go-libp2p node that the lab attacks: the library as it
// comes, with identify, ping and, where asked, a reservation at a relay. Its
// log goes to stderr, written by the library's own handlers at the level that
// GOLOG_LOG_LEVEL says.
package main

import (
	"context"
	"encoding/json"
	"errors"
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
	"github.com/multiformats/go-multiaddr"
)

// Hello is the first line of stdout, as JSON.
type Hello struct {
	Peer string `json:"peer"`
	// Addrs end in /p2p/ID.
	Addrs   []string `json:"addrs"`
	Version string   `json:"version"`
}

type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func main() {
	var listen list
	flag.Var(&listen, "listen", "multiaddr to listen on (may be repeated)")
	rcmgr := flag.String("rcmgr", "on", "resource manager: on, as shipped, or off")
	relay := flag.String("relay", "", "reserve a slot at this relay, a multiaddr with /p2p/ID")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, listen, *rcmgr, *relay); err != nil {
		fmt.Fprintln(os.Stderr, "victim:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen []string, rcmgr, relay string) error {
	h, err := start(listen, rcmgr)
	if err != nil {
		return err
	}
	defer h.Close()
	var slot *client.Reservation
	if relay != "" {
		if slot, err = reserve(ctx, h, relay); err != nil {
			return fmt.Errorf("reserving at %s: %w", relay, err)
		}
	}
	if err := hello(h); err != nil {
		return err
	}
	keep(ctx, h, relay, slot)
	return nil
}

func start(listen []string, rcmgr string) (host.Host, error) {
	opts := []libp2p.Option{libp2p.ListenAddrStrings(listen...), libp2p.EnableRelay()}
	switch rcmgr {
	case "on":
	case "off":
		opts = append(opts, libp2p.ResourceManager(&network.NullResourceManager{}))
	default:
		return nil, fmt.Errorf("--rcmgr is %q: say on or off", rcmgr)
	}
	return libp2p.New(opts...)
}

func hello(h host.Host) error {
	out := Hello{Peer: h.ID().String(), Version: version()}
	for _, a := range h.Network().ListenAddresses() {
		if strings.HasSuffix(a.String(), "/p2p-circuit") {
			continue
		}
		out.Addrs = append(out.Addrs, a.String()+"/p2p/"+h.ID().String())
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func version() string {
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, d := range b.Deps {
			if d.Path == "github.com/libp2p/go-libp2p" {
				return "go-libp2p " + d.Version
			}
		}
	}
	return "go-libp2p, version unknown"
}

func reserve(ctx context.Context, h host.Host, relay string) (*client.Reservation, error) {
	ma, err := multiaddr.NewMultiaddr(relay)
	if err != nil {
		return nil, err
	}
	info, err := peer.AddrInfoFromP2pAddr(ma)
	if err != nil {
		return nil, err
	}
	if err := h.Connect(ctx, *info); err != nil {
		return nil, err
	}
	return client.Reserve(ctx, h, *info)
}

// keep renews the reservation, which a relay grants for an hour, until ctx ends.
func keep(ctx context.Context, h host.Host, relay string, slot *client.Reservation) {
	for slot != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(slot.Expiration) / 2):
		}
		next, err := reserve(ctx, h, relay)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				fmt.Fprintln(os.Stderr, "victim: renewing the reservation:", err)
			}
			return
		}
		slot = next
	}
	<-ctx.Done()
}
