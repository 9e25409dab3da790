package firewall

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// Print is the backend that changes nothing: it writes, as nft would read
// them, the transactions NFTables would send, and remembers what would stand.
type Print struct {
	// Options are those of NFTables; KillSockets has no effect. Set them
	// before the first call.
	Options Options

	mu   sync.Mutex // guards w and the fields below
	w    io.Writer
	plan plan
	bans bansInMemory // what would stand
}

var _ Backend = (*Print)(nil)

// NewPrint returns a backend that writes to w.
func NewPrint(w io.Writer) *Print { return &Print{w: w} }

// Init writes the transaction that makes our table with exactly these bans.
func (p *Print) Init(_ context.Context, bans []Ban) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	tx, next, err := initial(p.Options, bans, p.Options.now())
	if err != nil {
		return err
	}
	if err := p.print(tx); err != nil {
		return err
	}
	p.plan, p.bans = next, bansInMemory{}
	p.remember(Change{Set: bans})
	return nil
}

// Apply writes the transaction for one change.
func (p *Print) Apply(_ context.Context, c Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.plan.sets == nil {
		return errNotStarted
	}
	tx, next, err := p.plan.change(c.stale(), p.Options.now())
	if err != nil {
		return err
	}
	if err := p.print(tx); err != nil {
		return err
	}
	p.plan = next
	p.remember(c)
	return nil
}

// List returns what would stand now.
func (p *Print) List(context.Context) ([]Ban, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bans.list(p.Options.now()), nil
}

// Close does nothing: what is printed stays.
func (p *Print) Close() error { return nil }

func (p *Print) print(tx transaction) error {
	if _, err := p.w.Write(tx.AppendText(nil)); err != nil {
		return fmt.Errorf("printing a change: %w", err)
	}
	return nil
}

// remember brings bans to what would stand after c. Its prefixes have passed Clean
// already.
func (p *Print) remember(c Change) {
	now := p.Options.now()
	for _, l := range c.Lift {
		l, _ = Clean(l)
		delete(p.bans, l)
	}
	for _, b := range c.Set {
		prefix, _ := Clean(b.Prefix)
		if !b.Until.IsZero() && !b.Until.After(now) {
			delete(p.bans, prefix)
			continue
		}
		p.bans[prefix] = b.Until
	}
}
