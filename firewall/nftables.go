package firewall

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// NFTables keeps bans in a table of its own in the kernel's nftables, over
// netlink. Its methods may be called from several goroutines.
type NFTables struct {
	options Options

	ports ownPorts // of sender's sockets; has a lock of its own

	mu      sync.Mutex // guards the fields below
	sender  sender
	plan    plan // what stands after the last Init or Apply; no sets before the first Init
	sample  sample
	sockets SocketStats
	claim   *claim // with Options.Exclusive, from the first Init to Close
}

var (
	_ Backend  = (*NFTables)(nil)
	_ Verifier = (*NFTables)(nil)
	_ Watcher  = (*NFTables)(nil)
)

// NewNFTables returns the backend after asking the kernel whether it has
// nftables and lets us look at it. It changes nothing.
func NewNFTables(o Options) (*NFTables, error) {
	n := &NFTables{options: o}
	n.sender.opened = n.ports.add
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.ask(getGeneration); err != nil {
		n.sender.close()
		return nil, kernelError("reading nftables", err)
	}
	return n, nil
}

// Init replaces our table by one with exactly these bans, atomically. With
// Options.Exclusive the error is ErrOwned while another process keeps the table.
func (n *NFTables) Init(ctx context.Context, bans []Ban) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.claimTable(); err != nil {
		return err
	}
	now := n.options.now()
	tx, next, err := initial(n.options, bans, now)
	if err != nil {
		return err
	}
	if err := n.sender.send(ctx, tx); err != nil {
		return err
	}
	n.plan, n.sample = next, sample{}
	n.installed(ctx, Change{Set: bans}, now)
	return nil
}

// Apply makes one change, atomically.
func (n *NFTables) Apply(ctx context.Context, c Change) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.plan.sets == nil {
		return errNotStarted
	}
	now := n.options.now()
	next, err := n.apply(ctx, c, now)
	if errors.Is(err, unix.EEXIST) { // what was said to be fresh is not
		next, err = n.apply(ctx, c.stale(), now)
	}
	if err != nil {
		return err
	}
	n.plan = next
	n.installed(ctx, c, now)
	return nil
}

func (n *NFTables) apply(ctx context.Context, c Change, now time.Time) (plan, error) {
	tx, next, err := n.plan.change(c, now)
	if err != nil {
		return next, err
	}
	return next, n.sender.send(ctx, tx)
}

// Sockets returns what was done to the sockets of banned hosts so far.
func (n *NFTables) Sockets() SocketStats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sockets
}

// installed does what follows a change the kernel has taken.
func (n *NFTables) installed(ctx context.Context, c Change, now time.Time) {
	n.sample.note(c, now)
	n.sockets.kill(ctx, n.options, c, now)
}

// List reads every set of ours whole; without our table there is none. 100,000
// bans take a second.
func (n *NFTables) List(ctx context.Context) ([]Ban, error) {
	if there, err := n.tableThere(); !there {
		return nil, err
	}
	conn, err := nftables.New(nftables.WithSockOptions(longAnswers)) // a socket of its own: a long list must not hold up Apply
	if err != nil {
		return nil, kernelError("opening a netlink socket", err)
	}
	sets, err := conn.GetSets(table())
	if err != nil {
		return nil, kernelError("listing the sets", err)
	}
	var bans []Ban
	for _, set := range sets {
		id, ok := parseSetID(set.Name)
		if !ok {
			continue // ports, protocols
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		elements, err := conn.GetSetElements(set)
		if err != nil {
			return nil, kernelError("listing set "+set.Name, err)
		}
		bans = appendBans(bans, id, elements, n.options.now())
	}
	return bans, nil
}

func (n *NFTables) tableThere() (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.ask(func(c *netlink.Conn) error {
		_, err := getTable(c)
		return err
	})
	if isNotFound(err) {
		return false, nil
	}
	return err == nil, kernelError("reading nftables", err)
}

func appendBans(bans []Ban, id setID, elements []nftables.SetElement, now time.Time) []Ban {
	for _, e := range elements {
		addr, ok := netip.AddrFromSlice(e.Key)
		if !ok || addr.BitLen() != id.addrBits() {
			continue // nothing we made
		}
		b := Ban{Prefix: netip.PrefixFrom(addr, id.bits)}
		if e.Timeout > 0 {
			b.Until = now.Add(e.Expires)
		}
		if e.Counter != nil {
			b.Packets = e.Counter.Packets
		}
		bans = append(bans, b)
	}
	return bans
}

// Close closes the netlink socket and gives up the claim. The table stays.
func (n *NFTables) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := errors.Join(n.sender.close(), n.claim.close())
	n.claim = nil
	return err
}
