package firewall

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Disturbance is a change of our firewall objects that was not ours. Init
// repairs it.
type Disturbance struct {
	// Err says what is missing; ErrGone by errors.Is.
	Err error
	// By is the program that did it as far as the kernel told, such as
	// "nft (pid 4242)"; empty when it was found by polling.
	By string
}

func (d Disturbance) String() string {
	if d.By == "" {
		return d.Err.Error()
	}
	return d.Err.Error() + ": done by " + d.By
}

const (
	// pollInterval is how often Watch looks without being told: the kernel
	// drops notifications when nobody reads them in time.
	pollInterval = 10 * time.Second
	// settleTime lets a program that flushes and reloads in two steps finish,
	// and bounds how often others' changes make us look.
	settleTime = 100 * time.Millisecond
	// relistenDelay is the pause before a notification socket that failed is
	// opened again.
	relistenDelay = time.Second
)

// Watch calls report for every disturbance until the context ends, and returns
// its error. The kernel tells of changes at once; without that (it may lose
// notifications), our objects are verified every ten seconds. report is called
// on Watch's goroutine and may call Init.
func (n *NFTables) Watch(ctx context.Context, report func(Disturbance)) error {
	l := listener{ports: &n.ports, concerns: func(family byte, table string) bool {
		return family == unix.NFPROTO_INET && table == tableName
	}}
	return watch(ctx, pollInterval, &l, report, func(by string) error {
		err := n.Verify(ctx, nil)
		if err == nil && by != "" {
			return fmt.Errorf("%w: the table inet %s was changed", ErrGone, tableName)
		}
		if disturbed(err) {
			return err
		}
		return nil
	})
}

// watch calls look after every change the listener (if there is one) tells of,
// with its author, and in between with nobody, and reports the errors it
// returns, until the context ends.
//
// What is found in between may be half of a change that is being made just now,
// whose announcement is on its way. So it is looked at again like one announced:
// then all of it is seen, with its author, and it is reported once.
func watch(ctx context.Context, interval time.Duration, l *listener, report func(Disturbance), look func(by string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// One change waiting is enough: what matters is that there was one.
	changes := make(chan string, 1)
	if l != nil {
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			l.run(ctx, changes)
		}()
		defer func() { cancel(); <-stopped }()
	}
	poll := time.NewTicker(interval)
	defer poll.Stop()
	for {
		by := ""
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
			if look("") == nil {
				continue
			}
		case by = <-changes:
		}
		if err := sleep(ctx, settleTime); err != nil {
			return err
		}
		select {
		case more := <-changes: // made before we look: this look is about it too
			by = cmp.Or(by, more)
		default:
		}
		if err := look(by); err != nil {
			report(Disturbance{Err: err, By: by})
		}
	}
}

// listener hears of changes in nftables.
type listener struct {
	ports    *ownPorts                            // whose changes are ours
	concerns func(family byte, table string) bool // which tables matter
}

// run passes on who changed a table that matters, until the context ends. A
// socket that fails, most often because it overflowed, is opened again.
func (l *listener) run(ctx context.Context, changes chan string) {
	for {
		l.listen(ctx, changes)
		if sleep(ctx, relistenDelay) != nil {
			return
		}
	}
}

// listen returns when the socket fails, whose error is of no interest: what
// was missed is found by looking, which it asks for as soon as it hears.
func (l *listener) listen(ctx context.Context, changes chan string) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if conn.SetBPF(withoutPorts(l.ports.list())) != nil || conn.JoinGroup(unix.NFNLGRP_NFTABLES) != nil {
		return
	}
	offer(changes, "")
	concerned := false // the change being announced is about a table that matters
	for {
		messages, err := conn.Receive()
		if err != nil {
			return
		}
		for _, m := range messages {
			if l.ports.has(m.Header.PID) { // sent from a socket newer than the filter
				if conn.SetBPF(withoutPorts(l.ports.list())) != nil {
					return
				}
				continue
			}
			switch kind, family, table := describe(m); {
			case kind == unix.NFT_MSG_NEWGEN: // ends the announcement of one transaction
				if concerned {
					offer(changes, author(m))
				}
				concerned = false
			case l.concerns(family, table):
				concerned = true
			}
		}
	}
}

// withoutPorts is a socket filter that drops the announcements of our own
// changes before they are queued: a batch has one message an element. All
// messages in a buffer come from one transaction, so the first speaks for all.
func withoutPorts(ports []uint32) []bpf.RawInstruction {
	const senderOffset = 12 // of nlmsg_pid in struct nlmsghdr
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: senderOffset, Size: 4}}
	for i, p := range ports {
		// The filter loads big-endian, the header is in the machine's order.
		value := binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, p))
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: uint8(len(ports) - i)})
	}
	const all = 1<<32 - 1
	program = append(program, bpf.RetConstant{Val: all}, bpf.RetConstant{Val: 0})
	raw, err := bpf.Assemble(program)
	if err != nil {
		panic(err) // at most maxPorts jumps, all within the program
	}
	return raw
}

// ownPorts holds the netlink port numbers our changes were sent from lately.
type ownPorts struct {
	mu   sync.Mutex
	last []uint32
}

const maxPorts = 8

func (o *ownPorts) add(port uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = append(o.last, port)
	if len(o.last) > maxPorts {
		o.last = o.last[1:]
	}
}

func (o *ownPorts) list() []uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.last)
}

func (o *ownPorts) has(port uint32) bool { return slices.Contains(o.list(), port) }

// describe returns the kind of an nftables message, its family, and the table
// it is about: attribute 1 of tables, chains, rules, sets and elements alike.
func describe(m netlink.Message) (kind int, family byte, table string) {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || len(m.Data) < 4 {
		return -1, 0, ""
	}
	kind, family = int(m.Header.Type&0xff), m.Data[0]
	d, err := netlink.NewAttributeDecoder(m.Data[4:])
	if err != nil {
		return kind, family, ""
	}
	for d.Next() {
		if d.Type() == unix.NFTA_TABLE_NAME && kind != unix.NFT_MSG_NEWGEN {
			table = d.String()
		}
	}
	return kind, family, table
}

// author reads from the message that ends a transaction whose it was.
func author(m netlink.Message) string {
	d, err := netlink.NewAttributeDecoder(m.Data[4:])
	if err != nil {
		return "unknown"
	}
	d.ByteOrder = binary.BigEndian
	name, pid := "unknown", uint32(0)
	for d.Next() {
		switch d.Type() {
		case unix.NFTA_GEN_PROC_NAME:
			name = d.String()
		case unix.NFTA_GEN_PROC_PID:
			pid = d.Uint32()
		}
	}
	return fmt.Sprintf("%s (pid %d)", name, pid)
}

// offer leaves word of a change by somebody; changes holds one, and nobody else
// sends to it. A name stays: what it did may be more than a look can see.
func offer(changes chan string, by string) {
	select {
	case waiting := <-changes:
		by = cmp.Or(waiting, by)
	default:
	}
	changes <- by
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
