package firewall

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"github.com/google/nftables"
)

// NFTables keeps bans in a table of its own in the kernel's nftables, over
// netlink. Its methods may be called from several goroutines.
type NFTables struct {
	options NFTablesOptions

	mu     sync.Mutex // guards the fields below
	sender sender
	plan   plan // what stands after the last Init or Apply; no sets before the first Init
}

var _ Backend = (*NFTables)(nil)

// NewNFTables returns the backend after asking the kernel whether it has
// nftables and lets us look at it. It changes nothing.
func NewNFTables(o NFTablesOptions) (*NFTables, error) {
	n := &NFTables{options: o}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.sender.open(); err != nil {
		return nil, kernelError("opening a netlink socket", err)
	}
	if _, err := n.sender.conn.ListTablesOfFamily(nftables.TableFamilyINet); err != nil {
		n.sender.close()
		return nil, kernelError("reading nftables", err)
	}
	return n, nil
}

// Init replaces our table by one with exactly these bans, atomically.
func (n *NFTables) Init(ctx context.Context, bans []Ban) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	tx, next, err := initial(n.options, bans, n.options.now())
	if err != nil {
		return err
	}
	if err := n.sender.send(ctx, tx); err != nil {
		return err
	}
	n.plan = next
	return nil
}

// Apply makes one change, atomically.
func (n *NFTables) Apply(ctx context.Context, c Change) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.plan.sets == nil {
		return fmt.Errorf("%w: Init comes first", ErrGone)
	}
	tx, next, err := n.plan.change(c, n.options.now())
	if err != nil {
		return err
	}
	if err := n.sender.send(ctx, tx); err != nil {
		return err
	}
	n.plan = next
	return nil
}

// List reads every set of ours whole. 100,000 bans take seconds.
func (n *NFTables) List(ctx context.Context) ([]Ban, error) {
	conn, err := nftables.New() // a socket of its own: a long list must not hold up Apply
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
		now := n.options.now()
		for _, e := range elements {
			addr, ok := netip.AddrFromSlice(e.Key)
			if !ok {
				return nil, fmt.Errorf("listing set %s: an element of %d bytes", set.Name, len(e.Key))
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
	}
	return bans, nil
}

// Close closes the netlink socket. The table stays.
func (n *NFTables) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sender.close()
}
