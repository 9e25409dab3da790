package attack

import (
	"context"
	"net/netip"
	"os/exec"
	"testing"

	"github.com/multiformats/go-multiaddr"
	"github.com/p2pban/p2pban/internal/netnstest"
)

// nobody are addresses where no node listens.
func nobody(t *testing.T) Params {
	t.Helper()
	addHostsOnce(t)
	p := Params{Sources: []netip.Addr{hostile}, Innocent: innocent, Seed: 1}
	for _, a := range []string{"/tcp/9", "/tcp/9/ws", "/udp/9/quic-v1"} {
		p.Targets = append(p.Targets, multiaddr.StringCast("/ip4/"+nodeAddr.String()+a+
			"/p2p/12D3KooW9yPfBhW9xnueBovYM1PmjqLWxSwc5iq5nYokKxdc5bfH"))
	}
	return p
}

// first gives what became of an attack's first attempt.
func first(t *testing.T, name string, p Params) Attempt {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, _, err := named([]string{"attack", name})
	if err != nil {
		t.Fatal(err)
	}
	p.Rate = 1
	var got []Attempt
	if err := a.Run(ctx, p, func(a Attempt) { got = append(got, a); cancel() }); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(got) == 0 {
		t.Fatalf("%s made no attempt", name)
	}
	return got[0]
}

// TestOutcomes tells a node that says no from a firewall that says nothing.
func TestOutcomes(t *testing.T) {
	names := []string{"churn", "handshake-junk", "ws-junk", "inject-alpn", "inject-cert", "inject-identify", "journal-split", "honest"}
	p := nobody(t)
	for _, name := range names {
		if a := first(t, name, p); a.Outcome != Refused || a.Error == "" || a.Remote != nodeAddr.String()+":9" {
			t.Errorf("%s, nobody listening: %+v, want it refused", name, a)
		}
	}
	dropFrom(t, hostile)
	for _, name := range append(names, "quic-churn") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if a := first(t, name, p); a.Outcome != Dropped {
				t.Errorf("%s behind a firewall that drops: %+v, want it dropped", name, a)
			}
		})
	}
}

// dropFrom has the kernel drop what comes from a host until the test ends.
func dropFrom(t *testing.T, host netip.Addr) {
	t.Helper()
	nft := netnstest.LookPath(t, "nft")
	rules := "add table inet lab\n" +
		"add chain inet lab in { type filter hook input priority 0; }\n" +
		"add rule inet lab in ip saddr " + host.String() + " drop\n"
	if out, err := exec.Command(nft, rules).CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command(nft, "delete table inet lab").Run() })
}
