package firewall

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// DenyFile keeps the bans in force as a file of multiaddrs, one a line, for
// nodes that read a deny list: js-libp2p's connectionManager.deny, or a
// ConnectionGater of go-libp2p. The file is replaced whole, so that a reader
// never sees half of it. Nothing in it ends by itself: bans that have ended
// are left out when the file is next written, at the latest by their Lift.
type DenyFile struct {
	path string
	now  func() time.Time

	mu    sync.Mutex // guards the fields below
	bans  bansInMemory
	wrote os.FileInfo // the file as we left it
}

var (
	_ Backend = (*DenyFile)(nil)
	_ Watcher = (*DenyFile)(nil)
)

// NewDenyFile returns the backend that writes to path; now may be nil.
func NewDenyFile(path string, now func() time.Time) *DenyFile {
	return &DenyFile{path: path, now: Options{Now: now}.now}
}

// Init replaces the file by one with exactly these bans.
func (d *DenyFile) Init(_ context.Context, bans []Ban) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := bansInMemory{}
	if err := next.apply(Change{Set: bans}, d.now()); err != nil {
		return err
	}
	return d.write(next)
}

// Apply replaces the file by one with the change made.
func (d *DenyFile) Apply(_ context.Context, c Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bans == nil {
		return errNotStarted
	}
	next := maps.Clone(d.bans)
	if err := next.apply(c, d.now()); err != nil {
		return err
	}
	return d.write(next)
}

func (d *DenyFile) write(next bansInMemory) error {
	if err := writeMultiaddrs(d.path, slices.Collect(maps.Keys(next))); err != nil {
		return err
	}
	info, err := os.Stat(d.path)
	if err != nil {
		return fmt.Errorf("writing the deny list: %w", err)
	}
	d.bans, d.wrote = next, info
	return nil
}

// Watch looks every ten seconds whether the file still is the one that we wrote.
func (d *DenyFile) Watch(ctx context.Context, report func(Disturbance)) error {
	return watch(ctx, pollInterval, nil, report, func(string) error { return d.changed() })
}

// changed reports, as an ErrGone, that another has written or removed the file.
func (d *DenyFile) changed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wrote == nil {
		return nil // not started
	}
	info, err := os.Stat(d.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: the file %s was removed", ErrGone, d.path)
	case err != nil:
		return nil // writing it will say so
	case !os.SameFile(info, d.wrote) || info.Size() != d.wrote.Size() || !info.ModTime().Equal(d.wrote.ModTime()):
		return fmt.Errorf("%w: the file %s was changed", ErrGone, d.path)
	}
	return nil
}

// List returns the bans in the file that have not ended.
func (d *DenyFile) List(context.Context) ([]Ban, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bans.list(d.now()), nil
}

// Flush empties the file, without a daemon; one that does not exist stays so.
func (d *DenyFile) Flush(ctx context.Context) (removed int, err error) {
	listed, err := readMultiaddrs(d.path)
	if err != nil || len(listed) == 0 {
		return 0, err
	}
	return len(listed), d.Init(ctx, nil)
}

// Close does nothing: the file stays.
func (d *DenyFile) Close() error { return nil }
