package netnstest_test

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
)

func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

func prefixes(ss ...string) (out []netip.Prefix) {
	for _, s := range ss {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestOnlyLoopbackInside(t *testing.T) {
	netnstest.Require(t)
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Flags&net.FlagLoopback == 0 && l.Flags&net.FlagUp != 0 {
			t.Errorf("interface %s is up inside a fresh namespace", l.Name)
		}
	}
	c, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal("loopback is not up:", err)
	}
	c.Close()
}

func TestRouterBetweenTwoHosts(t *testing.T) {
	a, router, b := netnstest.New(t), netnstest.New(t), netnstest.New(t)
	netnstest.Veth(router, "a", prefixes("192.0.2.1/24", "2001:db8:1::1/64"), a, "eth0", prefixes("192.0.2.2/24", "2001:db8:1::2/64"))
	netnstest.Veth(router, "b", prefixes("198.51.100.1/24", "2001:db8:2::1/64"), b, "eth0", prefixes("198.51.100.2/24", "2001:db8:2::2/64"))
	router.EnableForwarding()
	a.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("192.0.2.1"))
	b.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("198.51.100.1"))
	a.AddRoute(netip.MustParsePrefix("::/0"), netip.MustParseAddr("2001:db8:1::1"))
	b.AddRoute(netip.MustParsePrefix("::/0"), netip.MustParseAddr("2001:db8:2::1"))

	for _, addr := range []string{"198.51.100.2:0", "[2001:db8:2::2]:0"} {
		var l net.Listener
		var err error
		b.Do(func() { l, err = net.Listen("tcp", addr) })
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		var c net.Conn
		a.Do(func() { c, err = net.DialTimeout("tcp", l.Addr().String(), 5*time.Second) })
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

func TestStartWithoutNetAdmin(t *testing.T) {
	netnstest.Require(t)
	var out strings.Builder
	cmd := exec.Command("cat", "/proc/self/status")
	cmd.Stdout = &out
	if err := netnstest.StartWithoutNetAdmin(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var eff string
	for line := range strings.Lines(out.String()) {
		if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
			eff = strings.TrimSpace(v)
		}
	}
	// CAP_NET_ADMIN is bit 12: the lowest bit of the fourth hex digit from the right.
	if len(eff) != 16 || strings.ContainsAny(eff[12:13], "13579bdf") {
		t.Errorf("effective capabilities %q still hold CAP_NET_ADMIN", eff)
	}
}

func TestStartInside(t *testing.T) {
	ns := netnstest.New(t)
	netnstest.Veth(ns, "only-here", nil, netnstest.New(t), "eth0", nil)
	var out strings.Builder
	cmd := exec.Command("cat", "/proc/net/dev")
	cmd.Stdout = &out
	if err := ns.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "only-here:") {
		t.Errorf("the program saw other interfaces:\n%s", out.String())
	}
}
