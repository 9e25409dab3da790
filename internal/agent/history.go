package agent

import (
	"context"
	"net/netip"
	"slices"

	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
)

// History reads from the state file, so that a long history costs the engine
// nothing. What the file refused comes first, for it is newer than what is in
// it; what is saved in that very moment may come twice.
func (d *desk) History(ctx context.Context, target string, limit int) ([]control.Past, error) {
	var prefix netip.Prefix // all
	if target != "" {
		var err error
		if prefix, err = parser.ParseTarget(target); err != nil {
			return nil, badRequest(err)
		}
	}
	var unsaved []jail.Decision
	if err := d.engine.look(ctx, func() { unsaved = d.engine.unsaved }); err != nil {
		return nil, err
	}
	decisions := newest(unsaved, prefix, limit)
	if rest := limit - len(decisions); rest > 0 {
		saved, err := d.engine.store.History(ctx, prefix, rest)
		if err != nil {
			return nil, err
		}
		decisions = append(decisions, saved...)
	}
	past := make([]control.Past, len(decisions))
	for i := range decisions {
		past[i] = control.Past{Action: decisions[i].Action.String(), Ban: toBan(&decisions[i])}
	}
	return past, nil
}

// newest gives the last of decisions that concern prefix, all if it is the zero
// Prefix, the last first and at most limit.
func newest(decisions []jail.Decision, prefix netip.Prefix, limit int) (found []jail.Decision) {
	for _, d := range slices.Backward(decisions) {
		if len(found) == limit {
			break
		}
		if !prefix.IsValid() || d.Prefix.Overlaps(prefix) {
			found = append(found, d)
		}
	}
	return found
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
