package config

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/p2pban/p2pban/jail"
)

// What an entry of ignoreip may begin with to stand for many.
const (
	ignoreFile = "file:" // a list, as in fail2ban 1.1.1
	ignoreKubo = "kubo:" // the peers a Kubo node depends on
)

// maxIgnoreEntries bounds what one file may add.
const maxIgnoreEntries = 100_000

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
}

// expandIgnore turns one entry of ignoreip into what jails know: itself, or
// what the file it names holds. The file is read now, so a reload reads it again.
func expandIgnore(entry string) ([]string, error) {
	if path, ok := strings.CutPrefix(entry, ignoreFile); ok {
		return readIgnoreFile(path)
	}
	if path, ok := strings.CutPrefix(entry, ignoreKubo); ok {
		return readKubo(path)
	}
	_, _, err := jail.ParseIgnore(entry)
	return []string{entry}, err
}

// readIgnoreFile reads one entry a line; # begins a comment. Every bad line is
// reported.
func readIgnoreFile(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []string
	var errs []error
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if _, _, err := jail.ParseIgnore(text); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", path, n, err))
		}
		if out = append(out, text); len(out) > maxIgnoreEntries {
			return nil, fmt.Errorf("%s has more than %d entries: name networks", path, maxIgnoreEntries)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
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
	b, err := os.ReadFile(path)
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
