package agent

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/jail"
)

// bansPage is how many bans are read from the state file, or from the jails, at
// once.
const bansPage = 1000

// pager gives the next page of a list with each call; the last one is told.
type pager func(context.Context) (page []jail.Decision, last bool, err error)

// Bans lists from the state file, page by page: a long list costs the engine
// nothing, and a slow reader holds nothing up. While the file lacks what it
// refused, the jails themselves are asked.
func (d *desk) Bans(ctx context.Context, name string, yield func(control.Ban) error) error {
	if err := d.checkJail(ctx, name); err != nil {
		return err
	}
	next, err := d.fromJails(ctx, name)
	if err != nil {
		return err
	}
	if next == nil {
		next = d.fromFile(name)
	}
	for last := false; !last; {
		var page []jail.Decision
		if page, last, err = next(ctx); err != nil {
			return err
		}
		dropped := d.engine.dropped(ctx, page)
		for i := range page {
			b := toBan(&page[i])
			b.Dropped = dropped[b.Prefix]
			if err := yield(b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *desk) fromFile(name string) pager {
	var after int64
	return func(ctx context.Context) (page []jail.Decision, last bool, err error) {
		page, after, err = d.engine.store.BansAfter(ctx, after, name, bansPage)
		return page, len(page) < bansPage, err
	}
}

// standing is where a ban stands in a list of those in force.
type standing struct {
	at     time.Time
	prefix netip.Prefix
	jail   string
}

// fromJails lists the bans in force, of one jail or of all if name is empty, the
// oldest first, if the state file is behind; else it is nil. The engine stands
// still while it notes which they are, 0.1 s for a million; the bans themselves,
// which would be 1 s and a copy of all of them for each who asks, come page by page.
func (d *desk) fromJails(ctx context.Context, name string) (pager, error) {
	// Of many who ask at once, one at a time: a status comes between them.
	d.listing.Lock()
	defer d.listing.Unlock()
	e, behind := d.engine, false
	var list []standing
	err := e.look(ctx, func() {
		if behind = e.fileBehind(); behind {
			list = e.listInForce(name)
		}
	})
	if err != nil || !behind {
		return nil, err
	}
	slices.SortFunc(list, func(a, b standing) int {
		return cmp.Or(a.at.Compare(b.at), a.prefix.Compare(b.prefix), cmp.Compare(a.jail, b.jail))
	})
	return func(ctx context.Context) (page []jail.Decision, last bool, err error) {
		some := list[:min(len(list), bansPage)]
		list = list[len(some):]
		err = e.look(ctx, func() {
			for _, l := range some {
				if b, ok := e.jails.On(l.prefix, l.jail); ok { // else it has ended meanwhile
					page = append(page, b)
				}
			}
		})
		return page, len(list) == 0, err
	}, nil
}

// countInForce counts the bans in force, of one jail or of all if name is empty. A
// prefix that two jails ban is two bans.
func (e *engine) countInForce(name string) int {
	n := 0
	for _, j := range e.allJails() {
		if c, _ := e.jails.Counts(j.Name); name == "" || name == j.Name {
			n += c.InForce
		}
	}
	return n
}

// listInForce notes which bans are in force.
func (e *engine) listInForce(name string) []standing {
	list := make([]standing, 0, e.countInForce(name))
	for b := range e.jails.InForce() {
		if name == "" || b.Jail == name {
			list = append(list, standing{b.At, b.Prefix, b.Jail})
		}
	}
	return list
}

// dropped asks the firewall how many packets bans have dropped, where it can
// tell. Listing bans does not depend on it.
func (e *engine) dropped(ctx context.Context, bans []jail.Decision) map[netip.Prefix]uint64 {
	out := map[netip.Prefix]uint64{}
	for _, f := range e.enforcers {
		b, ok := f.backend.(interface {
			Lookup(context.Context, []netip.Prefix) ([]firewall.Ban, error)
		})
		if !ok {
			continue
		}
		prefixes := make([]netip.Prefix, len(bans))
		for i := range bans {
			prefixes[i] = bans[i].Prefix
		}
		found, err := b.Lookup(ctx, prefixes)
		if err != nil {
			e.log.Debug("the counters can't be read", "backend", f.name, "error", err)
		}
		for _, k := range found {
			out[k.Prefix] = k.Packets
		}
	}
	return out
}
