package world_test

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
	"github.com/p2pban/p2pban/lab/world"
)

func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

func newWorld(t *testing.T) *world.World {
	t.Helper()
	netnstest.Require(t)
	w, err := world.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// TestWhoIsSeenFromWhere has everybody dial the victim, which must see each at
// the address that the lab says.
func TestWhoIsSeenFromWhere(t *testing.T) {
	w := newWorld(t)
	honest := world.HonestSources()
	for name, c := range map[string]struct {
		from       *netnstest.NS
		local      string // "" is the kernel's choice
		to, seenAs string
	}{
		"attacker":          {w.Attacker, "", world.Victim4, world.Attacker4},
		"attacker, IPv6":    {w.Attacker, world.Attacker6, world.Victim6, world.Attacker6},
		"sprayed, last":     {w.Attacker, world.SprayedSources()[world.SprayedHosts-1].String(), world.Victim6, world.SprayedSources()[world.SprayedHosts-1].String()},
		"honest, first":     {w.Honest, honest[0].String(), world.Victim4, honest[0].String()},
		"honest, last":      {w.Honest, honest[len(honest)-1].String(), world.Victim6, honest[len(honest)-1].String()},
		"relay":             {w.Relay, "", world.Victim4, world.Relay4},
		"attacker at home":  {w.HomeAttacker, "", world.Victim4, world.NAT4},
		"honest at home":    {w.HomeHonest, "", world.Victim4, world.NAT4},
		"attacker to relay": {w.Attacker, "", world.Relay4, world.Attacker4},
	} {
		t.Run(name, func(t *testing.T) {
			at := w.Victim
			if c.to == world.Relay4 {
				at = w.Relay
			}
			var l net.Listener
			var err error
			at.Do(func() { l, err = net.Listen("tcp", net.JoinHostPort(c.to, "0")) })
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			d := net.Dialer{Timeout: 20 * time.Second}
			if c.local != "" {
				d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.local)}
			}
			var conn net.Conn
			c.from.Do(func() { conn, err = d.Dial("tcp", l.Addr().String()) })
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			served, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer served.Close()
			if seen := netip.MustParseAddrPort(served.RemoteAddr().String()).Addr().String(); seen != c.seenAs {
				t.Errorf("seen as %s, want %s", seen, c.seenAs)
			}
		})
	}
}

func TestSourcesAreDistinct(t *testing.T) {
	seen := map[netip.Addr]bool{netip.MustParseAddr(world.Innocent): true}
	sprayed := netip.MustParsePrefix(world.Sprayed)
	for _, a := range append(world.SprayedSources(), world.HonestSources()...) {
		if seen[a] {
			t.Errorf("%s twice", a)
		}
		seen[a] = true
	}
	for _, a := range world.SprayedSources() {
		if !sprayed.Contains(a) {
			t.Errorf("%s is outside %s", a, sprayed)
		}
	}
}

func TestProcessesRunInsideAndEndWithTheWorld(t *testing.T) {
	netnstest.Require(t)
	w, err := world.New()
	if err != nil {
		t.Fatal(err)
	}
	show := exec.Command("ip", "-4", "-o", "addr")
	var out bytes.Buffer
	show.Stdout = &out
	p, err := w.Start(w.Attacker, show)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), world.Attacker4+"/26") {
		t.Errorf("a program in the attacker's namespace saw:\n%s", out.String())
	}
	asked, err := w.Start(w.Victim, exec.Command("sleep", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := asked.Stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	left, err := w.Start(w.Victim, exec.Command("sleep", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-left.Ended():
	case <-time.After(20 * time.Second):
		t.Error("a program outlived its world")
	}
}
