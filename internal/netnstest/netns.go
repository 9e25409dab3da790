package netnstest

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// NS is a network namespace. Sockets opened inside Do belong to it and keep
// working outside.
type NS struct {
	t      testing.TB
	handle netns.NsHandle
}

// New makes a network namespace with loopback up. It is gone at the end of the
// test.
func New(t testing.TB) *NS {
	t.Helper()
	Require(t)
	var ns *NS
	var err error
	onOwnThread(func() {
		var h netns.NsHandle
		if h, err = netns.New(); err == nil {
			ns = &NS{t: t, handle: h}
		}
	})
	if err != nil {
		t.Fatalf("making a network namespace: %v", err)
	}
	t.Cleanup(func() { ns.handle.Close() })
	ns.linkUp("lo")
	return ns
}

// Here is the namespace the test itself runs in.
func Here(t testing.TB) *NS {
	t.Helper()
	Require(t)
	h, err := netns.Get()
	if err != nil {
		t.Fatalf("the test's own network namespace: %v", err)
	}
	ns := &NS{t: t, handle: h}
	t.Cleanup(func() { ns.handle.Close() })
	return ns
}

// Fd is the namespace's file descriptor, open until the test ends.
func (ns *NS) Fd() int { return int(ns.handle) }

// Path names the namespace's file as this process and its children see it.
func (ns *NS) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.Fd()) }

// Do runs f on a thread inside the namespace and waits for it. Goroutines that
// f starts are outside. f must not call t.FailNow and the like.
func (ns *NS) Do(f func()) {
	ns.t.Helper()
	var err error
	onOwnThread(func() {
		if err = netns.Set(ns.handle); err == nil {
			f()
		}
	})
	if err != nil {
		ns.t.Fatalf("entering a network namespace: %v", err)
	}
}

// Start starts cmd inside the namespace.
func (ns *NS) Start(cmd *exec.Cmd) error {
	ns.t.Helper()
	var err error
	ns.Do(func() { err = cmd.Start() })
	return err
}

// StartWithoutNetAdmin starts cmd in the test's own namespace, as the same
// user but without CAP_NET_ADMIN.
func StartWithoutNetAdmin(cmd *exec.Cmd) error {
	var err error
	onOwnThread(func() {
		if err = unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_NET_ADMIN, 0, 0, 0); err != nil {
			err = fmt.Errorf("dropping CAP_NET_ADMIN: %w", err)
			return
		}
		err = cmd.Start()
	})
	return err
}

// Veth joins a and b by a pair of interfaces named aName and bName, with these
// addresses, up and usable on return. It is gone at the end of the test.
func Veth(a *NS, aName string, aAddrs []netip.Prefix, b *NS, bName string, bAddrs []netip.Prefix) {
	t := a.t
	t.Helper()
	h := a.netlink()
	defer h.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = aName
	link := &netlink.Veth{LinkAttrs: attrs, PeerName: bName, PeerNamespace: netlink.NsFd(b.Fd())}
	if err := h.LinkAdd(link); err != nil {
		t.Fatalf("veth %s-%s: %v", aName, bName, err)
	}
	t.Cleanup(func() { a.linkDel(aName) })
	a.sysctl("ipv6/conf/"+aName+"/accept_dad", "0")
	b.sysctl("ipv6/conf/"+bName+"/accept_dad", "0")
	a.AddAddrs(aName, aAddrs...)
	b.AddAddrs(bName, bAddrs...)
	a.linkUp(aName)
	b.linkUp(bName)
}

// AddAddrs gives an interface of the namespace addresses, usable at once
// (IPv6 duplicate detection is off).
func (ns *NS) AddAddrs(link string, addrs ...netip.Prefix) {
	ns.t.Helper()
	h := ns.netlink()
	defer h.Close()
	l, err := h.LinkByName(link)
	if err != nil {
		ns.t.Fatalf("interface %s: %v", link, err)
	}
	for _, p := range addrs {
		addr, err := netlink.ParseAddr(p.String())
		if err != nil {
			ns.t.Fatalf("address %s: %v", p, err)
		}
		if p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(l, addr); err != nil {
			ns.t.Fatalf("address %s on %s: %v", p, link, err)
		}
	}
}

// AddRoute sends packets for dst to the gateway via.
func (ns *NS) AddRoute(dst netip.Prefix, via netip.Addr) {
	ns.t.Helper()
	h := ns.netlink()
	defer h.Close()
	d, err := netlink.ParseIPNet(dst.String())
	if err != nil {
		ns.t.Fatalf("route to %s: %v", dst, err)
	}
	if err := h.RouteAdd(&netlink.Route{Dst: d, Gw: via.AsSlice()}); err != nil {
		ns.t.Fatalf("route to %s via %s: %v", dst, via, err)
	}
}

// EnableForwarding makes the namespace a router for IPv4 and IPv6.
func (ns *NS) EnableForwarding() {
	ns.t.Helper()
	ns.sysctl("ipv4/ip_forward", "1")
	ns.sysctl("ipv6/conf/all/forwarding", "1")
}

// sysctl writes a setting below net.
func (ns *NS) sysctl(name, value string) {
	ns.t.Helper()
	var err error
	ns.Do(func() { err = os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644) })
	if err != nil {
		ns.t.Fatalf("setting net/%s: %v", name, err)
	}
}

func (ns *NS) linkDel(name string) {
	ns.t.Helper()
	h := ns.netlink()
	defer h.Close()
	if l, err := h.LinkByName(name); err == nil {
		if err := h.LinkDel(l); err != nil {
			ns.t.Errorf("removing interface %s: %v", name, err)
		}
	}
}

func (ns *NS) linkUp(name string) {
	ns.t.Helper()
	h := ns.netlink()
	defer h.Close()
	l, err := h.LinkByName(name)
	if err == nil {
		err = h.LinkSetUp(l)
	}
	if err != nil {
		ns.t.Fatalf("interface %s up: %v", name, err)
	}
}

func (ns *NS) netlink() *netlink.Handle {
	ns.t.Helper()
	h, err := netlink.NewHandleAt(ns.handle)
	if err != nil {
		ns.t.Fatalf("netlink in a network namespace: %v", err)
	}
	return h
}

// onOwnThread runs f on a thread that ends with it, so that whatever f changes
// about the thread (namespace, capabilities) reaches nobody else. The main
// thread never ends, and /proc/self shows its namespace as the process's, so it
// is kept busy while another one runs f.
func onOwnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with the goroutine unless unlocked
		if unix.Gettid() == unix.Getpid() {
			onOwnThread(f)
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}
