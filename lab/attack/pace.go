package attack

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

const (
	// flatOut is how many attempts an attack without a rate has under way.
	flatOut = 16
	// maxUnderWay bounds the attempts under way of an attack with a rate: those
	// that are dropped take until their time is up.
	maxUnderWay = 512
	// connectTimeout ends an attempt whose first packet nobody answers. The
	// kernel answers for a node that is merely slow.
	connectTimeout = 2 * time.Second
	// serveTimeout ends an attempt that was taken but is not served.
	serveTimeout = 5 * time.Second
)

// try makes attempt number n (from 0) at a target. It tells a what it knows:
// Local as soon as there is a socket, and At anew when it has first prepared
// something that is not part of the attempt. Its error is the outcome.
type try func(ctx context.Context, t target, n int, a *Attempt) error

// pace makes attempts at the targets in turn until ctx ends, p.Rate times a
// second.
func pace(ctx context.Context, p Params, targets []target, each func(Attempt), do try) error {
	limit, underWay := rate.Inf, flatOut
	if p.Rate > 0 {
		limit, underWay = rate.Limit(p.Rate), maxUnderWay
	}
	limiter := rate.NewLimiter(limit, 1)
	var one sync.Mutex // each is called by one attempt at a time
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(underWay)
	for n := 0; limiter.Wait(ctx) == nil; n++ {
		t := targets[n%len(targets)]
		g.Go(func() error {
			a := Attempt{At: time.Now(), Remote: t.addr.String()}
			if t.source.IsValid() {
				a.Local = netip.AddrPortFrom(t.source, 0).String()
			}
			err := do(ctx, t, n, &a)
			if err != nil && ctx.Err() != nil {
				return nil // cut short by the end, it says nothing of the node
			}
			if fault(err) {
				return fmt.Errorf("attempt at %s from %s: %w", t.multi, t.source, err)
			}
			a.Outcome, a.Millis = outcomeOf(err), float64(time.Since(a.At).Microseconds())/1000
			if err != nil {
				a.Error = err.Error()
			}
			one.Lock()
			defer one.Unlock()
			each(a)
			return nil
		})
	}
	return g.Wait()
}
