package main

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// monitor hears from the kernel of each element that comes into a set of
// nftables in our network namespace, as `nft monitor` does: the moment from
// which packets are dropped, whoever put it there.
type monitor struct {
	mu    sync.Mutex
	since map[netip.Addr]time.Time
	count int
	came  chan struct{} // closed and made anew when an element comes
	lost  bool
}

// rcvbuf holds the messages of a burst of some 100,000 elements.
const rcvbuf = 256 << 20

func newMonitor() (*monitor, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, rcvbuf); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)}); err != nil {
		return nil, err
	}
	m := &monitor{since: map[netip.Addr]time.Time{}, came: make(chan struct{})}
	go m.listen(fd)
	return m, nil
}

func (m *monitor) listen(fd int) {
	// It must note the time at once: p2pban saves the ban just then, and with two
	// processors nothing else may be free.
	runtime.LockOSThread()
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 50}, 0)
	buf := make([]byte, 1<<20)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		now := time.Now()
		if err == unix.EINTR {
			continue
		}
		m.mu.Lock()
		if err != nil {
			m.lost = true // ENOBUFS: some came that we don't know of
		}
		m.messages(buf[:max(n, 0)], now)
		close(m.came)
		m.came = make(chan struct{})
		m.mu.Unlock()
	}
}

// messages reads netlink messages: struct nlmsghdr, struct nfgenmsg, attributes
// (linux/netlink.h, linux/netfilter/nf_tables.h).
func (m *monitor) messages(b []byte, now time.Time) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return
		}
		if binary.NativeEndian.Uint16(b[4:]) == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWSETELEM {
			m.elements(b[unix.SizeofNlMsghdr+4:size], now)
		}
		b = b[min(len(b), (size+3)&^3):]
	}
}

func (m *monitor) elements(b []byte, now time.Time) {
	for kind, list := range attributes(b) {
		if kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		for _, element := range attributes(list) {
			for kind, key := range attributes(element) {
				if kind != unix.NFTA_SET_ELEM_KEY {
					continue
				}
				for _, value := range attributes(key) {
					if addr, ok := netip.AddrFromSlice(value); ok {
						m.count++
						if _, stands := m.since[addr]; !stands {
							m.since[addr] = now
						}
					}
				}
			}
		}
	}
}

// attributes gives the attributes in b with their kinds.
func attributes(b []byte) func(func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			size := int(binary.NativeEndian.Uint16(b))
			kind := binary.NativeEndian.Uint16(b[2:]) &^ unix.NLA_F_NESTED
			if size < 4 || size > len(b) || !yield(kind, b[4:size]) {
				return
			}
			b = b[min(len(b), (size+3)&^3):]
		}
	}
}

// wait gives the moment at which host came to stand, or false after timeout.
func (m *monitor) wait(host netip.Addr, timeout time.Duration) (time.Time, bool) {
	end := time.After(timeout)
	for {
		m.mu.Lock()
		at, ok := m.since[host]
		came := m.came
		m.mu.Unlock()
		if ok {
			return at, true
		}
		select {
		case <-came:
		case <-end:
			return time.Time{}, false
		}
	}
}
