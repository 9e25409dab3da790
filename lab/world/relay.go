package world

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
)

// RunRelay is a circuit relay (libp2p specs, relay/circuit-v2) until ctx ends:
// it prints its multiaddr with its peer id as a JSON string on a line of its
// own. It has no limits, so that it is never the relay that protects the
// victim.
func RunRelay(ctx context.Context, listen string, stdout io.Writer) error {
	unlimited := relay.DefaultResources()
	unlimited.Limit = nil
	unlimited.MaxCircuits = 1 << 16
	h, err := libp2p.New(libp2p.ListenAddrStrings(listen),
		libp2p.EnableRelayService(relay.WithResources(unlimited)),
		libp2p.ForceReachabilityPublic(),
		libp2p.ResourceManager(&network.NullResourceManager{}))
	if err != nil {
		return fmt.Errorf("the relay: %w", err)
	}
	defer h.Close()
	if err := json.NewEncoder(stdout).Encode(fmt.Sprintf("%s/p2p/%s", listen, h.ID())); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
