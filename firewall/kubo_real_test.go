//go:build realkubo

package firewall

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var kuboBinary = flag.String("kubo", "ipfs", "Kubo's ipfs program")

// TestRealKubo bans a second node of the test's own in a real Kubo: the
// connection it has ends, and neither side can connect again until the lift.
// Run it with -tags realkubo where Kubo is installed.
func TestRealKubo(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	node, other := startKubo(t, ctx, "127.0.0.1"), startKubo(t, ctx, "127.0.0.2")
	target := strings.TrimSpace(other.ipfs("id", "-f", "<addrs>"))
	target = strings.Fields(target)[0]
	node.ipfs("swarm", "connect", target)
	if !strings.Contains(node.ipfs("swarm", "peers"), "127.0.0.2") {
		t.Fatal("the nodes are not connected")
	}
	before := node.ipfs("swarm", "filters")
	k, err := NewKubo(KuboOptions{API: strings.TrimSpace(node.ipfs("config", "Addresses.API")), File: filepath.Join(t.TempDir(), "filters")})
	if err != nil {
		t.Fatal(err)
	}
	mustInit(t, k)
	bans := append(mixed(), Ban{Prefix: pfx("127.0.0.2/32"), Until: in(time.Hour)})
	mustApply(t, k, Change{Set: bans})
	stands(t, k, bans...)
	eventually(t, "the banned node is disconnected", func() bool {
		return !strings.Contains(node.ipfs("swarm", "peers"), "127.0.0.2")
	})
	if out, err := node.command("swarm", "connect", target).CombinedOutput(); err == nil {
		t.Errorf("the node dials a banned host: %s", out)
	}
	mustInit(t, k, mixed()...)
	eventually(t, "the lifted node connects", func() bool {
		return node.command("swarm", "connect", target).Run() == nil
	})
	mustInit(t, k)
	if after := node.ipfs("swarm", "filters"); after != before {
		t.Errorf("filters afterwards: %q, before: %q", after, before)
	}
}

type realKubo struct {
	t   *testing.T
	dir string
}

func (k realKubo) command(args ...string) *exec.Cmd {
	cmd := exec.Command(*kuboBinary, args...)
	cmd.Env = append(os.Environ(), "IPFS_PATH="+k.dir)
	return cmd
}

func (k realKubo) ipfs(args ...string) string {
	k.t.Helper()
	out, err := k.command(args...).CombinedOutput()
	if err != nil {
		k.t.Fatalf("ipfs %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// startKubo starts a node that knows nobody and listens on one address.
func startKubo(t *testing.T, ctx context.Context, host string) realKubo {
	t.Helper()
	k := realKubo{t, t.TempDir()}
	k.ipfs("init", "--profile", "test")
	k.ipfs("config", "--json", "Addresses.Swarm", `["/ip4/`+host+`/tcp/4001"]`)
	k.ipfs("config", "Addresses.API", "/ip4/"+host+"/tcp/5001")
	k.ipfs("config", "Addresses.Gateway", "/ip4/"+host+"/tcp/8080")
	daemon := exec.CommandContext(ctx, *kuboBinary, "daemon", "--offline=false")
	daemon.Env = append(os.Environ(), "IPFS_PATH="+k.dir)
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { daemon.Process.Signal(os.Interrupt); daemon.Wait() })
	deadline := time.Now().Add(time.Minute)
	// Before the daemon has written its API address, a command would take the
	// repository's lock from it.
	for !fileExists(filepath.Join(k.dir, "api")) || k.command("swarm", "filters").Run() != nil {
		if time.Now().After(deadline) {
			t.Fatal("the node does not come up")
		}
		time.Sleep(100 * time.Millisecond)
	}
	return k
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
