package measure

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
	"github.com/p2pban/p2pban/lab/world"
)

// Ban is an address or a network that came into a set of the kernel's.
type Ban struct {
	At     time.Time    `json:"at"`
	Table  string       `json:"table"`
	Prefix netip.Prefix `json:"prefix"`
}

// Monitor hears from the kernel of each element that comes into a set of any
// nftables table but the lab's own: it sees the bans of any agent, when they
// are in force and not when somebody says so.
type Monitor struct {
	process *world.Process
	mu      sync.Mutex
	bans    []Ban
	err     error
	changed chan struct{} // closed and replaced with each change
}

// ready is the table whose element shows that the monitor hears.
const ready = "labready"

// patience is for what the machine has to do, however slow it is.
const patience = 60 * time.Second

// Watch begins to listen in a namespace.
func Watch(w *world.World, ns *netnstest.NS) (*Monitor, error) {
	m := &Monitor{changed: make(chan struct{})}
	if err := m.start(w, ns); err != nil {
		return nil, err
	}
	return m, m.awaken(w, ns)
}

func (m *Monitor) start(w *world.World, ns *netnstest.NS) (err error) {
	cmd := exec.Command("nft", "-j", "monitor", "new", "elements")
	cmd.Stdout = Lines(m.hear)
	m.process, err = w.Start(ns, cmd)
	return err
}

// awaken adds elements until one is heard of. They are in a table that is new
// each time: nft first reads which tables there are and then listens, and never
// learns of one that came in between. Should it end over that, it is started
// again.
func (m *Monitor) awaken(w *world.World, ns *netnstest.NS) error {
	for end := time.Now().Add(patience); ; {
		_, err := nft(ns, `table inet `+ready+`
			delete table inet `+ready+`
			table inet `+ready+` { set s { type ipv4_addr; }; }
			add element inet `+ready+` s { 192.0.2.251 }`, "-f", "-")
		if err != nil {
			return err
		}
		heard := m.wait(200*time.Millisecond, func() bool { return len(m.bans) > 0 })
		switch {
		case heard:
			_, err := nft(ns, "", "delete", "table", "inet", ready)
			return err
		case time.Now().After(end):
			return fmt.Errorf("nft monitor heard of nothing in %s: %v", patience, m.err)
		}
		select {
		case <-m.process.Ended():
			if err := m.start(w, ns); err != nil {
				return err
			}
		default:
		}
	}
}

// hear takes one line of nft's.
func (m *Monitor) hear(line []byte) {
	bans, err := readElements(time.Now(), line)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bans = append(m.bans, bans...)
	if err != nil && m.err == nil {
		m.err = err
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// readElements reads a line of nft -j monitor: {"add": {"element": {...}}}, or
// "create" where it was not to stand before, where each element is an address, a
// prefix or one of these with its timeout.
func readElements(at time.Time, line []byte) ([]Ban, error) {
	type change struct {
		Element struct {
			Table, Name string
			Elem        struct{ Set []json.RawMessage }
		}
	}
	var event struct{ Add, Create change }
	if err := json.Unmarshal(line, &event); err != nil {
		return nil, fmt.Errorf("nft monitor: %w: %s", err, line)
	}
	e := event.Add.Element
	if e.Table == "" {
		e = event.Create.Element
	}
	var bans []Ban
	for _, raw := range e.Elem.Set {
		p, err := readElement(raw)
		if err != nil {
			continue // a port, a protocol: no ban
		}
		// p2pban keeps the bans of a length in a set that is named for it.
		if _, bits, ok := strings.Cut(e.Name, "_"); ok && e.Table == "p2pban" {
			if n, err := strconv.Atoi(bits); err == nil {
				p = netip.PrefixFrom(p.Addr(), n)
			}
		}
		bans = append(bans, Ban{at, e.Table, p.Masked()})
	}
	return bans, nil
}

func readElement(raw json.RawMessage) (netip.Prefix, error) {
	var timed struct{ Elem struct{ Val json.RawMessage } }
	if json.Unmarshal(raw, &timed) == nil && timed.Elem.Val != nil {
		raw = timed.Elem.Val
	}
	var network struct {
		Prefix struct {
			Addr netip.Addr
			Len  int
		}
	}
	if json.Unmarshal(raw, &network) == nil && network.Prefix.Addr.IsValid() {
		return netip.PrefixFrom(network.Prefix.Addr, network.Prefix.Len), nil
	}
	var a netip.Addr
	if err := json.Unmarshal(raw, &a); err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// Bans gives what was banned so far.
func (m *Monitor) Bans() []Ban {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ours()
}

// ours leaves out the sign of being ready.
func (m *Monitor) ours() []Ban {
	var all []Ban
	for _, b := range m.bans {
		if b.Table != ready {
			all = append(all, b)
		}
	}
	return all
}

// Wait waits until ok says so of all bans so far, at most for d.
func (m *Monitor) Wait(d time.Duration, ok func(all []Ban) bool) bool {
	return m.wait(d, func() bool { return ok(m.ours()) })
}

func (m *Monitor) wait(d time.Duration, ok func() bool) bool {
	timeout := time.After(d)
	for {
		m.mu.Lock()
		good, changed := ok(), m.changed
		m.mu.Unlock()
		if good {
			return true
		}
		select {
		case <-changed:
		case <-timeout:
			return false
		}
	}
}

// Stop ends it. The error says that it heard what it did not understand, or
// broke off before.
func (m *Monitor) Stop() error {
	select {
	case <-m.process.Ended():
		return fmt.Errorf("nft monitor ended: %w", m.process.Wait())
	default:
	}
	if _, err := m.process.Stop(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}
