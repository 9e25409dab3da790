package agent

import (
	"context"
	"net/netip"
	"time"

	"github.com/p2pban/p2pban/firewall"
)

// diagnoseEvery is how often the firewall is asked why a banned host is still
// heard of, at most, for each jail.
const diagnoseEvery = 30 * time.Second

// leak is a host that is banned by a jail and still heard of.
type leak struct {
	jail string
	host netip.Addr
}

// diagnoser is a backend that can tell why a banned host is still heard of.
type diagnoser interface {
	Diagnose(context.Context, netip.Addr) (firewall.Diagnosis, error)
}

// askCause has diagnose look into a leak, unless it is still at the last one.
func (e *engine) askCause(jail string, host netip.Addr) {
	select {
	case e.leaks <- leak{jail, host}:
	default:
	}
}

// diagnose asks the firewall for the cause of leaks, beside the engine, which
// a busy firewall must not hold up.
func (e *engine) diagnose(ctx context.Context) error {
	var d diagnoser
	for _, f := range e.enforcers {
		if b, ok := f.backend.(diagnoser); ok {
			d = b
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-e.leaks:
			if d == nil {
				continue
			}
			found, err := d.Diagnose(ctx, l.host)
			if err != nil {
				found.Cause = "the firewall could not be asked for the cause: " + err.Error()
			}
			if e.ask(ctx, func() {
				w := e.watched[l.jail]
				w.cause = found.Cause
				e.watched[l.jail] = w
			}) != nil {
				return nil
			}
		}
	}
}
