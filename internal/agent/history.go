package agent

import (
	"context"
	"net/netip"

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

// Nearest asks the jails.
func (d *desk) Nearest(ctx context.Context, limit int) ([]control.HostStatus, error) {
	var out []control.HostStatus
	err := d.engine.look(ctx, func() { out = d.engine.nearest(limit) })
	return out, err
}

func (e *engine) nearest(limit int) []control.HostStatus {
	out := []control.HostStatus{}
	for _, h := range e.jails.Nearest(limit) {
		out = append(out, toHost(&h, h.Prefix.Addr()))
	}
	return out
}
