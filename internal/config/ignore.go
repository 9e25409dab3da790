package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/p2pban/p2pban/jail"
)

// What an entry of ignoreip may begin with to stand for many.
const (
	ignoreFile = "file:" // a list, as in fail2ban 1.1.1
	ignoreKubo = "kubo:" // the peers a Kubo node depends on
)

// Bounds of what one file may add. A Kubo node's configuration has a few KiB.
const (
	maxIgnoreEntries = 100_000
	maxIgnoreBytes   = 16 << 20
	maxIgnoreLine    = 1024 // a multiaddr has a few hundred
	maxIgnoreErrors  = 20
	maxKuboBytes     = 4 << 20
)

// ignore reads ignoreip.
func (s *section) ignore(to *[]string) {
	var entries, all []string
	s.strings("ignoreip", &entries, func(v string) error {
		more, err := expandIgnore(v)
		all = append(all, more...)
		return err
	})
	if entries != nil {
		*to = all
	}
	for _, entry := range all {
		s.wide(entry)
	}
}

// Networks wider than these belong to nobody: no registry gives more than a /8
// (RFC 7020), and fc00::/7 (RFC 4193) is the widest that is for private use.
const (
	widestIPv4 = 8
	widestIPv6 = 7
)

// wide warns of an entry that takes in so much that the jail can hardly ban.
func (s *section) wide(entry string) {
	p, _, err := jail.ParseIgnore(entry)
	if err != nil || !p.IsValid() || p.Bits() >= widestIPv6 && (p.Addr().Is6() || p.Bits() >= widestIPv4) {
		return
	}
	share := "every"
	if p.Bits() > 0 {
		share = fmt.Sprintf("1 in %d of every", 1<<p.Bits())
	}
	family := "IPv4"
	if p.Addr().Is6() {
		family = "IPv6"
	}
	s.l.warn(s.at("ignoreip"), s.key("ignoreip"), fmt.Sprintf("%s is %s possible %s host: the jail will ban none of them", p, share, family), "name your own networks alone")
}

// expandIgnore turns one entry of ignoreip into what jails know: itself, or
// what the file it names holds. The file is read now, so a reload reads it again.
func expandIgnore(entry string) ([]string, error) {
	for prefix, read := range map[string]func(string) ([]string, error){ignoreFile: readIgnoreFile, ignoreKubo: readKubo} {
		path, ok := strings.CutPrefix(entry, prefix)
		if ok && !filepath.IsAbs(path) { // a check would read another file than the daemon
			return nil, fmt.Errorf("%q is not an absolute path", path)
		}
		if ok {
			return read(path)
		}
	}
	_, _, err := jail.ParseIgnore(entry)
	return []string{entry}, err
}

// readIgnoreFile reads one entry a line; # begins a comment. Every bad line is
// reported, up to maxIgnoreErrors.
func readIgnoreFile(path string) ([]string, error) {
	all, err := readRegular(path, maxIgnoreBytes)
	if err != nil {
		return nil, err
	}
	var out []string
	var errs []error
	n := 0
	for line := range strings.Lines(string(all)) {
		n++
		text, _, _ := strings.Cut(line, "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		_, _, err := jail.ParseIgnore(text[:min(len(text), maxIgnoreLine)])
		if err == nil && len(text) > maxIgnoreLine {
			err = fmt.Errorf("longer than %d bytes", maxIgnoreLine)
		}
		if err != nil {
			if errs = append(errs, fmt.Errorf("%s:%d: %w", path, n, err)); len(errs) == maxIgnoreErrors {
				return nil, errors.Join(errs...)
			}
		}
		if out = append(out, text); len(out) > maxIgnoreEntries {
			return nil, fmt.Errorf("%s has more than %d entries: name networks", path, maxIgnoreEntries)
		}
	}
	return out, errors.Join(errs...)
}

// kuboConfig is what matters here of the file "config" in a Kubo repository
// (ipfs/kubo, docs/config.md: Bootstrap, Peering.Peers,
// Swarm.RelayClient.StaticRelays).
type kuboConfig struct {
	Bootstrap []string
	Peering   struct {
		Peers []struct {
			ID    string
			Addrs []string
		}
	}
	Swarm struct {
		RelayClient struct{ StaticRelays []string }
	}
}

// readKubo gives the peers and addresses a Kubo node was told to depend on.
// Names (/dnsaddr/…) are not resolved: of those the peer id counts. "auto",
// which Kubo fills in by itself, names nobody.
func readKubo(path string) ([]string, error) {
	b, err := readRegular(path, maxKuboBytes) // the node's user owns it
	if err != nil {
		return nil, err
	}
	var c kuboConfig
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("%s is no configuration of Kubo: %w", path, err)
	}
	all := append(c.Bootstrap, c.Swarm.RelayClient.StaticRelays...)
	for _, p := range c.Peering.Peers {
		all = append(append(all, p.ID), p.Addrs...)
	}
	var out []string
	for _, entry := range all {
		if entry == "auto" || entry == "" {
			continue
		}
		// An address that names no host (/dns4/… alone) protects nobody here.
		if _, _, err := jail.ParseIgnore(entry); err == nil {
			out = append(out, entry)
		}
	}
	if len(out) == 0 && len(all) > 0 && !onlyAuto(all) {
		return nil, fmt.Errorf("%s: none of its %d bootstrap, peering and relay entries names an address or a peer id", path, len(all))
	}
	return out, nil
}

func onlyAuto(all []string) bool {
	for _, e := range all {
		if e != "auto" {
			return false
		}
	}
	return true
}
