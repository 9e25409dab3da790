package firewall

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

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
		if err != nil {
			err = fmt.Errorf("writing %s: %w", path, withoutName(err))
		}
		if errors.Is(err, os.ErrPermission) {
			err = fmt.Errorf("%w: %w", ErrDenied, err)
		}
	}()
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is there, and is no regular file: name a file in it, or another place")
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, &b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()) // nodes run as other users
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// withoutName is the cause of an error alone. The name of the file beside is another
// with each try, and would have each told as something new.
func withoutName(err error) error {
	var path *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
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
