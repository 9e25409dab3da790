package firewall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	vnetlink "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// SelfTest bans a host, sees its packets dropped and another's pass, and lifts
// the ban again, all in a network namespace of its own that is gone
// afterwards: the host's firewall is not touched. It needs CAP_SYS_ADMIN for
// the namespace besides CAP_NET_ADMIN, else the error is ErrPermission.
func SelfTest(ctx context.Context) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine unless unlocked
		if unix.Gettid() == unix.Getpid() {
			// The main thread never ends and stands for the process in /proc:
			// it is kept busy while another one does it.
			result <- SelfTest(ctx)
			runtime.UnlockOSThread()
			return
		}
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- kernelError("making a network namespace", err)
			return
		}
		result <- selfTest(ctx)
	}()
	return <-result
}

// selfTest runs on a thread that is alone in its namespace: every socket must
// be opened here and not on another goroutine.
func selfTest(ctx context.Context) error {
	lo, err := vnetlink.LinkByName("lo")
	if err == nil {
		err = vnetlink.LinkSetUp(lo)
	}
	if err != nil {
		return kernelError("bringing up loopback", err)
	}
	n, err := NewNFTables(Options{})
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Init(ctx, nil); err != nil {
		return err
	}
	// All of 127.0.0.0/8 is ours, so loopback has as many hosts as one likes.
	attacker, neighbour := netip.MustParseAddr("127.0.0.66"), netip.MustParseAddr("127.0.0.67")
	ban := Ban{Prefix: netip.PrefixFrom(attacker, 32), Until: time.Now().Add(time.Hour)}
	for _, step := range []struct {
		when    string
		change  Change
		dropped bool
	}{
		{"before the ban", Change{}, false},
		{"banned", Change{Set: []Ban{ban}}, true},
		{"lifted", Change{Lift: []netip.Prefix{ban.Prefix}}, false},
	} {
		if err := n.Apply(ctx, step.change); err != nil {
			return err
		}
		if err := n.Verify(ctx, step.change.Set); err != nil {
			return err
		}
		got, err := arrives(attacker, neighbour)
		switch {
		case err != nil:
			return fmt.Errorf("sending packets over loopback: %w", err)
		case !got[neighbour]:
			return fmt.Errorf("%s: packets of a host that is not banned do not arrive", step.when)
		case got[attacker] == step.dropped:
			return fmt.Errorf("%s: the host's packets arrive: %v, want %v", step.when, got[attacker], !step.dropped)
		}
	}
	return nil
}

// arrives sends a datagram from each host, in order, and reports whose came.
// Loopback keeps the order, so when the last is there none is under way.
func arrives(hosts ...netip.Addr) (map[netip.Addr]bool, error) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	for _, h := range hosts {
		c, err := net.DialUDP("udp4", &net.UDPAddr{IP: h.AsSlice()}, server.LocalAddr().(*net.UDPAddr))
		if err != nil {
			return nil, err
		}
		_, err = c.Write([]byte("p2pban"))
		c.Close()
		if err != nil && !errors.Is(err, unix.EPERM) {
			return nil, err
		}
	}
	got := map[netip.Addr]bool{}
	buf := make([]byte, 16)
	server.SetReadDeadline(time.Now().Add(2 * time.Second))
	for !got[hosts[len(hosts)-1]] {
		_, from, err := server.ReadFromUDPAddrPort(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return nil, err
		}
		got[from.Addr().Unmap()] = true
	}
	return got, nil
}
