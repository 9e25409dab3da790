package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

	mu   sync.Mutex // guards bans
	bans bansInMemory
}

var _ Backend = (*DenyFile)(nil)

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
	d.bans = next
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

// bansInMemory is what stands in a door that keeps no ends itself.
type bansInMemory map[netip.Prefix]time.Time

// apply makes a change and forgets what has ended. After an error the map is
// of no use.
func (m bansInMemory) apply(c Change, now time.Time) error {
	for _, p := range c.Lift {
		p, err := Clean(p)
		if err != nil {
			return err
		}
		delete(m, p)
	}
	for _, b := range c.Set {
		p, err := Clean(b.Prefix)
		if err != nil {
			return err
		}
		m[p] = b.Until
	}
	maps.DeleteFunc(m, func(_ netip.Prefix, until time.Time) bool { return !until.IsZero() && !until.After(now) })
	return nil
}

func (m bansInMemory) list(now time.Time) []Ban {
	bans := make([]Ban, 0, len(m))
	for prefix, until := range m {
		if until.IsZero() || until.After(now) {
			bans = append(bans, Ban{Prefix: prefix, Until: until})
		}
	}
	slices.SortFunc(bans, func(a, b Ban) int { return a.Prefix.Compare(b.Prefix) })
	return bans
}

// multiaddr writes a prefix as libp2p's address filters do:
// /ip4/192.0.2.0/ipcidr/24 (multiaddr protocol 43, ipcidr).
func multiaddr(p netip.Prefix) string {
	family := "/ip4/"
	if p.Addr().Is6() {
		family = "/ip6/"
	}
	return family + p.Addr().String() + "/ipcidr/" + strconv.Itoa(p.Bits())
}

// parseMultiaddr is the inverse of multiaddr.
func parseMultiaddr(s string) (netip.Prefix, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 5 || parts[0] != "" || parts[3] != "ipcidr" {
		return netip.Prefix{}, fmt.Errorf("%q is no filter like /ip4/192.0.2.0/ipcidr/24", s)
	}
	p, err := netip.ParsePrefix(parts[2] + "/" + parts[4])
	if err != nil {
		return p, err
	}
	if want := map[bool]string{false: "ip4", true: "ip6"}[p.Addr().Is6()]; parts[1] != want {
		return p, fmt.Errorf("%q is no filter: %s is not %s", s, p.Addr(), parts[1])
	}
	return p.Masked(), nil
}

// writeMultiaddrs replaces a file atomically and durably: written beside it,
// synced, renamed, and the directory synced.
func writeMultiaddrs(path string, prefixes []netip.Prefix) (err error) {
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	var b bytes.Buffer
	for _, p := range prefixes {
		b.WriteString(multiaddr(p) + "\n")
	}
	defer func() {
		if errors.Is(err, os.ErrPermission) {
			err = fmt.Errorf("%w: %w", ErrDenied, err)
		}
	}()
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing the deny list: %w", err)
	}
	_, err = io.Copy(f, &b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()) // nodes run as other users
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing the deny list: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("writing the deny list: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// readMultiaddrs reads what writeMultiaddrs wrote; a file that does not exist
// is empty.
func readMultiaddrs(path string) ([]netip.Prefix, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var prefixes []netip.Prefix
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		p, err := parseMultiaddr(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w; remove the line", path, number, err)
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}
