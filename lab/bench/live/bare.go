package main

import (
	"bytes"
	"net/netip"
	"os"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// startBare starts the least that could ban by a log: it waits for inotify,
// reads, looks for one text, and sends one message to nftables. It judges
// nothing, keeps nothing, and believes every line. What it takes is what the
// machine and the Go runtime take.
func startBare(_, path string) (stop func(), err error) {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, err
	}
	table := conn.AddTable(&nftables.Table{Name: "bare", Family: nftables.TableFamilyINet})
	set := &nftables.Set{Table: table, Name: "hosts", KeyType: nftables.TypeIPAddr}
	if err := conn.AddSet(set, nil); err != nil {
		return nil, err
	}
	if err := conn.Flush(); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY); err != nil {
		return nil, err
	}
	events := os.NewFile(uintptr(fd), "inotify") // waited for as p2pban does, by the runtime's poller
	go func() {
		defer conn.CloseLasting()
		defer f.Close()
		buf, event := make([]byte, 256<<10), make([]byte, 4096)
		kept := 0 // of a line that has begun
		for {
			if _, err := events.Read(event); err != nil {
				return
			}
			n, _ := f.Read(buf[kept:])
			end := bytes.LastIndexByte(buf[:kept+n], '\n') + 1
			var elements []nftables.SetElement
			for line := range bytes.Lines(buf[:end]) {
				if _, rest, ok := bytes.Cut(line, []byte("CANONICAL_PEER_STATUS: peer="+peer+" addr=/ip4/")); ok {
					text, _, _ := bytes.Cut(rest, []byte("/"))
					if host, err := netip.ParseAddr(string(text)); err == nil {
						elements = append(elements, nftables.SetElement{Key: host.AsSlice()})
					}
				}
			}
			kept = copy(buf, buf[end:kept+n])
			if len(elements) > 0 {
				_ = conn.SetAddElements(set, elements)
				_ = conn.Flush() // the ban that does not come shows it
			}
		}
	}()
	return func() { events.Close() }, nil
}
