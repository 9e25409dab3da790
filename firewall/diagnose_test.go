package firewall

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
)

func TestSelfTest(t *testing.T) {
	netnstest.Require(t)
	run(t, "", "nft", "flush ruleset") // what counts down would differ by itself
	before := run(t, "", "nft", "list", "ruleset")
	if err := SelfTest(context.Background()); err != nil {
		t.Error(err)
	}
	if after := run(t, "", "nft", "list", "ruleset"); after != before {
		t.Errorf("the self test left in our namespace:\n%s", after)
	}
}

func TestDiagnose(t *testing.T) {
	ctx := context.Background()
	node, outside := newWorld(t)
	port := serveEcho(t, node)
	host := netip.MustParseAddr(attacker4)
	ban := Ban{Prefix: netip.PrefixFrom(host, 32), Until: in(time.Hour)}
	wide := Ban{Prefix: pfx("192.0.0.0/16")}

	b := newNFTables(t, Options{})
	expect := func(when string, host netip.Addr, bans int, cause string) {
		t.Helper()
		d, err := b.Diagnose(ctx, host)
		if err != nil || len(d.Bans) != bans || !strings.Contains(d.Cause, cause) {
			t.Errorf("%s: %d bans, %q, %v; want %d bans and %q", when, len(d.Bans), d.Cause, err, bans, cause)
		}
	}
	mustInit(t, b)
	expect("without a ban", host, 0, "no ban of this host")
	mustApply(t, b, Change{Set: []Ban{ban, wide}})
	expect("without packets", host, 2, "do not pass here")
	expect("as a mapped address", netip.MustParseAddr("::ffff:"+attacker4), 2, "do not pass here")
	expect("another family", netip.MustParseAddr(attacker6), 0, "no ban of this host")
	c, err := dial(outside, "udp", attacker4, node4, port, patient)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "x")
	// The packet waits until the neighbour's address is resolved.
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if d, _ := b.Diagnose(ctx, host); strings.Contains(d.Cause, "and has dropped") {
			break
		}
	}
	expect("after a packet", host, 2, "has dropped 1 packets")
	run(t, "", "nft", "flush chain inet p2pban prerouting")
	expect("after a flushed chain", host, 2, "changed by somebody else")
	if d, _ := b.Diagnose(ctx, host); !errors.Is(d.Err, ErrGone) {
		t.Errorf("after a flushed chain: %v, want ErrGone", d.Err)
	}
	run(t, "", "nft", "flush ruleset")
	expect("after a flushed table", host, 0, "no table")

	b = newNFTables(t, Options{Ports: []uint16{1}})
	mustInit(t, b, ban)
	expect("with another port", host, 1, "ports")
	b = newNFTables(t, Options{})
	mustInit(t, b, append(until(hosts(maxCounted), in(time.Hour)), ban)...)
	expect("among many", host, 1, "not counted")
}

func TestAuto(t *testing.T) {
	netnstest.Require(t)
	b, name, err := Auto(Options{})
	if err != nil || name != "nftables" {
		t.Fatalf("Auto chose %q, %v; want nftables, which this kernel has", name, err)
	}
	b.Close()
}
