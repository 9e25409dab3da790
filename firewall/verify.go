package firewall

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Lookup reads back the bans of exactly these prefixes, with their ends and
// how many packets they dropped; those that do not stand are left out. Its
// cost does not depend on how many bans there are.
func (n *NFTables) Lookup(ctx context.Context, prefixes []netip.Prefix) ([]Ban, error) {
	var bans []Ban
	for some := range slices.Chunk(prefixes, elementsAtOnce) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found, err := n.lookup(some)
		if err != nil {
			return nil, err
		}
		bans = append(bans, found...)
	}
	return bans, nil
}

// lookup is Lookup of at most elementsAtOnce prefixes: a change of the bans waits
// for these, and not for a whole list.
func (n *NFTables) lookup(prefixes []netip.Prefix) (bans []Ban, err error) {
	clean := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		if clean[i], err = Clean(p); err != nil {
			return nil, err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	bans, err = n.standing(clean)
	return bans, kernelError("looking up bans", err)
}

// standing is lookup with the lock held and clean prefixes.
func (n *NFTables) standing(prefixes []netip.Prefix) (bans []Ban, err error) {
	err = n.ask(func(c *netlink.Conn) error {
		bans, err = getElements(c, prefixes, n.options.now())
		return err
	})
	return bans, err
}

// Covering reads back the bans that keep out this address, of any length.
func (n *NFTables) Covering(ctx context.Context, host netip.Addr) ([]Ban, error) {
	host = host.Unmap().WithZone("")
	n.mu.Lock()
	sets := sortedSets(n.plan.sets)
	n.mu.Unlock()
	var prefixes []netip.Prefix
	for _, s := range sets {
		if s.v6 == host.Is6() {
			prefixes = append(prefixes, netip.PrefixFrom(host, s.bits))
		}
	}
	return n.Lookup(ctx, prefixes)
}

// ask runs a request on the lasting socket. An answer that is an error leaves
// nothing unread behind, but any other failure may, and costs the socket.
func (n *NFTables) ask(f func(*netlink.Conn) error) error {
	if err := n.sender.open(); err != nil {
		return err
	}
	err := f(n.sender.socket)
	if err != nil && !isNotFound(err) {
		n.sender.close()
	}
	return err
}

// sampleSize is how many bans Verify reads back when the caller names none: an
// emptied set is certain to be seen, one lost ban is not.
const sampleSize = 8

// Verify reads back whether bans are enforced: our table, its chains and rules
// as we made them, and the given bans (without any, a few that we installed
// last). The error is ErrGone, with what is missing. It takes about
// half a millisecond and on a busy machine two, however many bans stand.
func (n *NFTables) Verify(ctx context.Context, sample []Ban) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.plan.sets == nil {
		return errNotStarted
	}
	if err := n.verifyLayout(); err != nil {
		return err
	}
	if len(sample) == 0 {
		sample = n.sample.bans
	}
	// A ban about to end may be gone before it is read.
	soon := n.options.now().Add(time.Second)
	for _, b := range sample {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !b.Until.IsZero() && b.Until.Before(soon) {
			continue
		}
		if err := n.verifyBan(b); err != nil {
			return err
		}
	}
	return nil
}

func (n *NFTables) verifyBan(b Ban) error {
	p, err := Clean(b.Prefix)
	if err != nil {
		return err
	}
	bans, err := n.standing([]netip.Prefix{p})
	if err != nil {
		return kernelError("looking up "+p.String(), err)
	}
	if len(bans) == 0 {
		return fmt.Errorf("%w: the ban of %s is not in the kernel", ErrGone, p)
	}
	switch found := bans[0]; {
	case b.Until.IsZero() != found.Until.IsZero():
		return fmt.Errorf("%w: the ban of %s is in the kernel with another end", ErrGone, p)
	case found.Until.Sub(b.Until).Abs() > time.Minute:
		// A minute allows for steps of the wall clock by NTP.
		return fmt.Errorf("%w: that of %s at %s in the kernel, want %s", ErrEnds, p,
			found.Until.Format(time.RFC3339), b.Until.Format(time.RFC3339))
	}
	return nil
}

func (n *NFTables) verifyLayout() error {
	var stands tableInfo
	err := n.ask(func(c *netlink.Conn) (err error) {
		stands, err = getTable(c)
		return err
	})
	switch {
	case isNotFound(err):
		return fmt.Errorf("%w: there is no table inet %s", ErrGone, tableName)
	case err != nil:
		return kernelError("reading the table", err)
	case stands.flags&unix.NFT_TABLE_F_DORMANT != 0:
		return fmt.Errorf("%w: the table inet %s is dormant", ErrGone, tableName)
	}
	sets := sortedSets(n.plan.sets)
	for _, c := range chains() {
		if err := n.verifyChain(c, rulesFor(c, sets, n.options)); err != nil {
			return err
		}
	}
	return nil
}

func (n *NFTables) verifyChain(c chain, rules []rule) error {
	var stands chainInfo
	err := n.ask(func(conn *netlink.Conn) (err error) {
		stands, err = getChain(conn, c.name)
		return err
	})
	switch {
	case isNotFound(err):
		return fmt.Errorf("%w: there is no chain %s", ErrGone, c.name)
	case err != nil:
		return kernelError("reading the chain "+c.name, err)
	case stands != chainInfo{hooked: true, hook: uint32(*nftChain(c).Hooknum), priority: chainPriority}:
		return fmt.Errorf("%w: the chain %s is not as we made it", ErrGone, c.name)
	}
	stand, err := n.sender.conn.GetRules(table(), nftChain(c))
	if err != nil {
		n.sender.close()
		return kernelError("reading the rules of "+c.name, err)
	}
	var have, want []string
	for _, r := range stand {
		have = append(have, fingerprint(r.Exprs))
	}
	for _, r := range rules {
		want = append(want, fingerprint(r.expressions()))
	}
	if !slices.Equal(have, want) {
		return fmt.Errorf("%w: the chain %s has not the rules we made: %d stand, %d should", ErrGone, c.name, len(have), len(want))
	}
	return nil
}

// fingerprint tells our rules from each other and from others' by the steps
// that matter: what is loaded, in which set it is looked up, and the verdict.
func fingerprint(exprs []expr.Any) string {
	var b strings.Builder
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Payload:
			fmt.Fprintf(&b, "load %d+%d/%d ", e.Base, e.Offset, e.Len)
		case *expr.Bitwise:
			fmt.Fprintf(&b, "mask %x ", e.Mask)
		case *expr.Lookup:
			fmt.Fprintf(&b, "in %s %t ", e.SetName, e.Invert)
		case *expr.Verdict:
			fmt.Fprintf(&b, "verdict %d ", e.Kind)
		}
	}
	return b.String()
}

// sample is a handful of bans that stand, for Verify.
type sample struct{ bans []Ban }

// note keeps some of the bans just installed and forgets those lifted.
func (s *sample) note(c Change, now time.Time) {
	stale := map[netip.Prefix]bool{}
	for _, b := range s.bans {
		stale[b.Prefix] = !b.Until.IsZero() && !b.Until.After(now)
	}
	forget := func(p netip.Prefix) {
		p, _ = Clean(p)
		if _, kept := stale[p]; kept {
			stale[p] = true
		}
	}
	if len(stale) > 0 {
		for _, p := range c.Lift {
			forget(p)
		}
		for _, b := range c.Set {
			forget(b.Prefix) // moved, perhaps: the kept end is out of date
		}
	}
	s.bans = slices.DeleteFunc(s.bans, func(b Ban) bool { return stale[b.Prefix] })
	picks := rand.Perm
	if len(c.Set) > sampleSize {
		picks = func(n int) []int { return []int{rand.IntN(n), rand.IntN(n), rand.IntN(n), rand.IntN(n)} }
	}
	for _, i := range picks(len(c.Set)) {
		s.put(last(c.Set, c.Set[i].Prefix), now)
	}
}

// last is the ban that counts of a prefix that stands there more than once.
func last(bans []Ban, prefix netip.Prefix) Ban {
	for _, b := range slices.Backward(bans) {
		if b.Prefix == prefix {
			return b
		}
	}
	return Ban{}
}

func (s *sample) put(b Ban, now time.Time) {
	if !b.Until.IsZero() && !b.Until.After(now) {
		return
	}
	b.Prefix, _ = Clean(b.Prefix)
	at := slices.IndexFunc(s.bans, func(have Ban) bool { return have.Prefix == b.Prefix })
	switch {
	case at >= 0:
		s.bans[at] = b
	case len(s.bans) < sampleSize:
		s.bans = append(s.bans, b)
	default:
		s.bans[rand.IntN(sampleSize)] = b
	}
}
