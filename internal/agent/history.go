package agent

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/parser"
)

// History reads from the state file, so that a long history costs the engine
// nothing.
func (d *desk) History(ctx context.Context, target string, limit int) ([]control.Past, error) {
	var prefix netip.Prefix // all
	if target != "" {
		var err error
		if prefix, err = parser.ParseTarget(target); err != nil {
			return nil, badRequest(err)
		}
	}
	decisions, err := d.engine.store.History(ctx, prefix, limit)
	if err != nil {
		return nil, err
	}
	past := make([]control.Past, len(decisions))
	for i := range decisions {
		past[i] = control.Past{Action: decisions[i].Action.String(), Ban: toBan(&decisions[i])}
	}
	return past, nil
}

// recentHosts are the distinct hosts of the latest events, a bounded number,
// in the order they came: whom to look at for hosts that are near a ban.
type recentHosts struct {
	ring [control.MaxNearest]netip.Addr
	next int
	in   map[netip.Addr]struct{}
	last netip.Addr
}

// add notes a host; it allocates nothing once the ring is full.
func (r *recentHosts) add(a netip.Addr) {
	if a == r.last {
		return
	}
	r.last = a
	if _, ok := r.in[a]; ok {
		return
	}
	if r.in == nil {
		r.in = make(map[netip.Addr]struct{}, len(r.ring))
	}
	delete(r.in, r.ring[r.next])
	r.ring[r.next] = a
	r.in[a] = struct{}{}
	r.next = (r.next + 1) % len(r.ring)
}

// Nearest looks at the hosts of the latest events only: a list of all hosts in
// order of their failures would have to be kept by every event.
func (d *desk) Nearest(ctx context.Context, limit int) ([]control.HostStatus, error) {
	var out []control.HostStatus
	err := d.engine.look(ctx, func() { out = d.engine.nearest(limit) })
	return out, err
}

func (e *engine) nearest(limit int) []control.HostStatus {
	out := []control.HostStatus{}
	type place struct {
		jail   string
		prefix netip.Prefix
	}
	listed := map[place]bool{} // two hosts of one IPv6 prefix are one
	for addr := range e.recent.in {
		for _, h := range e.jails.Host(addr) {
			at := place{h.Jail, h.Prefix}
			if h.Failures == 0 || h.Allowed == 0 || listed[at] {
				continue
			}
			listed[at] = true
			out = append(out, toHost(&h, addr))
		}
	}
	share := func(h *control.HostStatus) float64 { return float64(h.Failures) / float64(h.Allowed) }
	slices.SortFunc(out, func(a, b control.HostStatus) int {
		return cmp.Or(
			-cmp.Compare(share(&a), share(&b)),
			a.Prefix.Addr().Compare(b.Prefix.Addr()),
			cmp.Compare(a.Jail, b.Jail))
	})
	return out[:min(limit, len(out))]
}
