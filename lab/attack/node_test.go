package attack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/multiformats/go-multiaddr"
	"github.com/p2pban/p2pban/internal/netnstest"
	"github.com/p2pban/p2pban/lab/nodetest"
	"github.com/p2pban/p2pban/parser"
)

// The hosts of the tests, all on loopback of the tests' own namespace.
var (
	nodeAddr  = netip.MustParseAddr("198.51.100.5")
	nodeAddr6 = netip.MustParseAddr("2001:db8:5::5")
	hostile   = netip.MustParseAddr("203.0.113.66")
	hostile6  = netip.MustParseAddr("2001:db8:66::66")
	innocent  = netip.MustParseAddr("192.0.2.99")
)

// nodeEnv makes the test binary a libp2p node: what go-libp2p logs for
// operators goes to the standard error its process started with.
const nodeEnv = "P2PBAN_LAB_TEST_NODE"

// relayEnv makes that node a relay ("serve"), or has it make a reservation at
// the relay of that address.
const relayEnv = "P2PBAN_LAB_TEST_RELAY"

// patience is how long a test waits for what must come.
const patience = 4 * time.Minute

func TestMain(m *testing.M) {
	if listen := os.Getenv(nodeEnv); listen != "" {
		if err := runNode(strings.Fields(listen)); err != nil {
			fmt.Fprintln(os.Stderr, "test node:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(netnstest.Main(m))
}

// runNode serves until SIGTERM and prints its addresses first.
func runNode(listen []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	relay := os.Getenv(relayEnv)
	opts := []libp2p.Option{libp2p.ListenAddrStrings(listen...),
		libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableMetrics()}
	if relay == "serve" {
		opts = append(opts, libp2p.EnableRelayService(), libp2p.ForceReachabilityPublic())
	}
	h, err := libp2p.New(opts...)
	if err != nil {
		return err
	}
	defer h.Close()
	if relay != "" && relay != "serve" {
		if err := reserve(ctx, h, relay); err != nil {
			return fmt.Errorf("reserving at %s: %w", relay, err)
		}
	}
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: h.ID(), Addrs: h.Network().ListenAddresses()})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(addrs); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func reserve(ctx context.Context, h host.Host, relay string) error {
	info, err := peer.AddrInfoFromString(relay)
	if err != nil {
		return err
	}
	if err := h.Connect(ctx, *info); err != nil {
		return err
	}
	_, err = client.Reserve(ctx, h, *info)
	return err
}

// node is a libp2p node whose log a test reads.
type node struct {
	addrs []multiaddr.Multiaddr
	lines <-chan string // closed when the log ends
}

var addHosts sync.Once

func addHostsOnce(t *testing.T) {
	t.Helper()
	netnstest.Require(t)
	addHosts.Do(func() {
		var all []netip.Prefix
		for _, a := range append(sprayed(), nodeAddr, nodeAddr6, hostile, hostile6) {
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
		}
		netnstest.Here(t).AddAddrs("lo", all...)
	})
}

func startNode(t *testing.T, env ...string) *node {
	t.Helper()
	addHostsOnce(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "GOLOG_LOG_LEVEL=info", nodeEnv+"="+strings.Join([]string{
		"/ip4/" + nodeAddr.String() + "/tcp/0",
		"/ip4/" + nodeAddr.String() + "/tcp/0/ws",
		"/ip4/" + nodeAddr.String() + "/udp/0/quic-v1",
		"/ip6/" + nodeAddr6.String() + "/tcp/0",
	}, " ")), env...)
	var addrs []string
	n := &node{lines: nodetest.Start(t, cmd, &addrs)}
	for _, a := range addrs {
		n.addrs = append(n.addrs, multiaddr.StringCast(a))
	}
	return n
}

// params are what most attacks on the node are told.
func (n *node) params() Params {
	return Params{Targets: n.addrs, Sources: []netip.Addr{hostile, hostile6}, Innocent: innocent, Seed: 1}
}

// until runs an attack until a line of the node's log is as wanted and an
// attempt was served, and gives that line and the attempts. Every other line is
// given to other, if that is set.
func (n *node) until(t *testing.T, name string, p Params, wanted func(string) bool, other func(string)) (string, []Attempt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, _, err := named([]string{"attack", name})
	if err != nil {
		t.Fatal(err)
	}
	got, done := make(chan Attempt), make(chan error, 1)
	go func() { done <- a.Run(ctx, p, func(a Attempt) { got <- a }) }()
	found, served := "", false
	var attempts []Attempt
	for {
		if found != "" && served {
			cancel()
		}
		select {
		case line, ok := <-n.lines:
			switch {
			case !ok:
				t.Fatal("the node is gone")
			case found == "" && wanted(line):
				found = line
			case other != nil:
				other(line)
			}
		case a := <-got:
			attempts = append(attempts, a)
			served = served || a.Outcome == Served
		case err := <-done:
			if err != nil || found == "" || !served {
				t.Fatalf("%s ended: %v; the line: %q; served: %v; last attempts: %+v",
					name, err, found, served, attempts[max(0, len(attempts)-3):])
			}
			return found, attempts
		}
	}
}

// read gives what p2pban's parser makes of a line.
func read(t *testing.T, line string) *parser.Result {
	t.Helper()
	p, err := parser.New(parser.Builtin(), parser.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var r parser.Result
	p.Parse(parser.Line{Text: line}, &r)
	return &r
}

// accuses fails unless p2pban takes the line as evidence against host.
func accuses(t *testing.T, line, rule string, host netip.Addr) {
	t.Helper()
	if r := read(t, line); r.Reject != parser.Accepted || r.Event.Host != host || r.Event.Rule != rule {
		t.Errorf("line %s\nis %s (%s) by %s against %s, want %s against %s",
			line, r.Reject, r.Detail, r.Event.Rule, r.Event.Host, rule, host)
	}
}

func contains(parts ...string) func(string) bool {
	return func(line string) bool {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				return false
			}
		}
		return true
	}
}
