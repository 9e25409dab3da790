package victims

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multiformats/go-multiaddr"
	"github.com/p2pban/p2pban/internal/netnstest"
	"github.com/p2pban/p2pban/lab/attack"
	"github.com/p2pban/p2pban/lab/nodetest"
	"github.com/p2pban/p2pban/parser"
)

var full = flag.Bool("full", false, "also build the js and the rust victim, which takes minutes the first time, into the user's cache")

var (
	hostile  = netip.MustParseAddr("127.0.0.66")
	visitor  = netip.MustParseAddr("127.0.0.1") // an honest peer, see visit
	innocent = netip.MustParseAddr("192.0.2.99")
)

// patience is how long a test waits for what must come.
const patience = 4 * time.Minute

// builds is where the tests of one run build what is built in seconds.
var builds string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if builds, err = os.MkdirTemp("", "victims"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(builds)
		return m.Run()
	}())
}

// cases are the victims, the setting of each that makes its log one to ban by,
// and which attack leads to which rule.
var cases = []struct {
	kind    Kind
	version string
	env     string
	attacks map[string]string
}{
	{Go, "go-libp2p v0.", "GOLOG_LOG_LEVEL=error,canonical-log=info", map[string]string{
		"churn": "go-libp2p/connection", "quic-churn": "go-libp2p/connection", "inject-alpn": "go-libp2p/handshake"}},
	{GoOld, "go-libp2p v0.43.0", "GOLOG_LOG_LEVEL=error,canonical-log=info", map[string]string{
		"churn": "go-libp2p/connection", "quic-churn": "go-libp2p/connection", "inject-alpn": "go-libp2p/handshake",
		"inject-cert": "go-libp2p/handshake", "handshake-junk": "go-libp2p/handshake", "ws-junk": "go-libp2p/handshake"}},
	{JS, "js-libp2p 3.3.11", "DEBUG=libp2p:connection-manager", map[string]string{"churn": "js-libp2p/threshold"}},
	{Rust, "rust-libp2p 0.57.1", "RUST_LOG=libp2p_swarm::connection::pool=debug,libp2p_core::upgrade=debug," +
		"multistream_select::length_delimited=debug", map[string]string{"handshake-junk": "rust-libp2p/upgrade"}},
}

// TestVictims has every victim built, visited by honest peers and attacked
// until its log shows it.
func TestVictims(t *testing.T) {
	for _, c := range cases {
		if !*full && (c.kind == JS || c.kind == Rust) {
			continue
		}
		t.Run(string(c.kind), func(t *testing.T) {
			argv := build(t, c.kind)
			for name, rule := range c.attacks {
				t.Run(name, func(t *testing.T) {
					v := start(t, argv, c.env)
					if !strings.HasPrefix(v.version, c.version) {
						t.Errorf("version is %q, want %s", v.version, c.version)
					}
					v.visit(t)
					v.until(t, name, func(r *parser.Result) bool { return r.Event.Rule == rule })
				})
			}
		})
	}
}

// TestForgedLines shows the holes through which a peer writes whole lines into
// a node's log, at settings that open them: forged records stand there as
// lines of their own, in the format of any implementation, and p2pban has seen
// from the lines before that it must not believe them.
func TestForgedLines(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		env  string
	}{
		{GoOld, "GOLOG_LOG_LEVEL=error,net/identify=warn,canonical-log=info"},
		{JS, "DEBUG=libp2p:*"},
	} {
		if !*full && c.kind == JS {
			continue
		}
		t.Run(string(c.kind), func(t *testing.T) {
			v := start(t, build(t, c.kind), c.env)
			forged := 0
			v.until(t, "inject-identify", func(r *parser.Result) bool {
				if r.Reject == parser.Untrusted {
					forged++
				}
				return forged == 10
			})
		})
	}
}

func build(t *testing.T, kind Kind) []string {
	t.Helper()
	dir := builds
	if kind == JS || kind == Rust {
		dir = "" // what takes minutes is kept
	}
	argv, err := Build(t.Context(), kind, dir)
	if errors.Is(err, ErrNoToolchain) {
		netnstest.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	return argv
}

type victim struct {
	version string
	addrs   []multiaddr.Multiaddr
	lines   <-chan string
}

func start(t *testing.T, argv []string, env string) *victim {
	t.Helper()
	listen := []string{"--listen", "/ip4/127.0.0.1/tcp/0"}
	// What js-libp2p prints is that its limits are reached.
	if k := filepath.Base(argv[0]); k == "victim-go" || k == "victim-go-old" {
		listen = append(listen, "--rcmgr", "off")
		listen = append(listen, "--listen", "/ip4/127.0.0.1/udp/0/quic-v1", "--listen", "/ip4/127.0.0.1/tcp/0/ws")
	}
	cmd := exec.Command(argv[0], append(argv[1:], listen...)...)
	cmd.Env = append(os.Environ(), env)
	var hello struct {
		Peer, Version string
		Addrs         []string
	}
	v := &victim{lines: nodetest.Start(t, cmd, &hello)}
	v.version = hello.Version
	for _, a := range hello.Addrs {
		if !strings.HasSuffix(a, "/p2p/"+hello.Peer) {
			t.Errorf("address %s does not end in /p2p/%s", a, hello.Peer)
		}
		v.addrs = append(v.addrs, multiaddr.StringCast(a))
	}
	return v
}

func named(t *testing.T, name string) attack.Attack {
	t.Helper()
	for _, a := range attack.All() {
		if a.Name == name {
			return a
		}
	}
	t.Fatalf("no attack is called %s", name)
	return attack.Attack{}
}

// visit fails unless an honest peer is served.
func (v *victim) visit(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	visited := false
	err := named(t, "honest").Run(ctx, attack.Params{Targets: v.addrs}, func(a attack.Attempt) {
		if a.Outcome != attack.Served {
			t.Errorf("honest peer: %+v", a)
		}
		visited = true
		cancel()
	})
	if err != nil || !visited {
		t.Errorf("honest peers: %v; visited: %v", err, visited)
	}
}

// until attacks until p2pban reads of the log what is wanted, and fails when
// it takes a line as evidence against anyone but the attacker, or as more than a
// connection of the visitor.
func (v *victim) until(t *testing.T, name string, wanted func(*parser.Result) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := parser.New(parser.Builtin(), parser.Options{AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	a := named(t, name)
	params := attack.Params{Targets: v.addrs, Sources: []netip.Addr{hostile}, Innocent: innocent, Seed: 1}
	go func() { done <- a.Run(ctx, params, func(attack.Attempt) {}) }()
	var known parser.Risks
	for found := false; !found; {
		select {
		case line, ok := <-v.lines:
			if !ok {
				t.Fatal("the victim is gone")
			}
			var r parser.Result
			p.Parse(parser.Line{Text: line, Distrust: known}, &r)
			known |= r.Risk
			// A node prints one connection in a hundred, whoever's it is.
			sampled := r.Event.Host == visitor && r.Event.Rule == "go-libp2p/connection"
			if r.Reject == parser.Accepted && r.Event.Host != hostile && !sampled {
				t.Errorf("line %q is evidence against %s", line, r.Event.Host)
			}
			found = wanted(&r)
		case err := <-done:
			t.Fatalf("%s ended before the line came: %v", name, err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("%s: %v", name, err)
	}
}
