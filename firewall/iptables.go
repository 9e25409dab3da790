package firewall

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// IPTables keeps bans in two ipsets, dropped by rules of iptables and
// ip6tables in table raw: for hosts whose kernel or policy has no nftables.
// Its methods may be called from several goroutines.
type IPTables struct {
	options  Options
	families []xtables
	variant  string

	mu      sync.Mutex // guards the fields below
	claim   *claim     // nil until Init makes one
	started bool
	sample  sample
	sockets SocketStats
	// long holds the bans that end later than an ipset timeout can say; they
	// are armed again until they fit.
	long    map[netip.Prefix]Ban
	rearmAt time.Time
}

var (
	_ Backend  = (*IPTables)(nil)
	_ Verifier = (*IPTables)(nil)
	_ Watcher  = (*IPTables)(nil)
)

// NewIPTables returns the backend after finding the programs it needs: ipset,
// and the variant of iptables the host uses. It changes nothing.
func NewIPTables(o Options) (*IPTables, error) {
	ctx := context.Background()
	families, variant, err := hostXTables(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := execute(ctx, "", "ipset", "list", "-n"); err != nil {
		return nil, err
	}
	return &IPTables{options: o, families: families, variant: variant, long: map[netip.Prefix]Ban{}}, nil
}

// String names the backend and its variant: "iptables (legacy)".
func (t *IPTables) String() string { return "iptables (" + t.variant + ")" }

// Init fills new sets with exactly these bans, swaps them in, which is atomic
// for each family, and puts our rules at the head of their chains.
func (t *IPTables) Init(ctx context.Context, bans []Ban) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.claimRules(ctx); err != nil {
		return err
	}
	now := t.options.now()
	entries, _, err := ipsetEntries(bans, now)
	if err != nil {
		return err
	}
	stand, err := ipsetNames(ctx)
	if err != nil {
		return err
	}
	if _, err := execute(ctx, t.fillScript(entries, stand), "ipset", "restore", "-exist"); err != nil {
		return err
	}
	for _, x := range t.families {
		if err := t.putRules(ctx, x); err != nil {
			return err
		}
	}
	if err := t.clearOtherVariant(ctx); err != nil {
		return err
	}
	t.started, t.sample, t.long = true, sample{}, map[netip.Prefix]Ban{}
	t.installed(ctx, Change{Set: bans}, now)
	return nil
}

// fillScript makes the sets anew beside those that stand, and swaps them.
func (t *IPTables) fillScript(entries []ipsetEntry, stand []string) string {
	var s ipsetScript
	for _, x := range t.families {
		name := ipsetOf(x.v6)
		if slices.Contains(stand, name+spare) { // left by a run that was killed
			fmt.Fprintf(&s, "destroy %s\n", name+spare)
		}
		if !slices.Contains(stand, name) {
			s.create(name, x.v6, 0)
		}
		s.create(name+spare, x.v6, len(entries))
		for _, e := range entries {
			if e.prefix.Addr().Is6() == x.v6 {
				s.add(name+spare, e)
			}
		}
		fmt.Fprintf(&s, "swap %s %s\ndestroy %s\n", name+spare, name, name+spare)
	}
	return s.String()
}

func (t *IPTables) putRules(ctx context.Context, x xtables) error {
	stand, bypass, err := x.saved(ctx)
	if err != nil {
		return err
	}
	if want := x.rules(t.options); bypass != "" || !sameRules(stand, want) {
		return x.replace(ctx, stand, want)
	}
	return nil
}

// sameRules compares per chain, in which alone order has a meaning.
func sameRules(a, b []string) bool {
	byChain := func(x, y string) int { return strings.Compare(strings.Fields(x)[1], strings.Fields(y)[1]) }
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortStableFunc(a, byChain)
	slices.SortStableFunc(b, byChain)
	return slices.Equal(a, b)
}

// clearOtherVariant takes out rules that an earlier run put into the ruleset
// of the variant the host does not use.
func (t *IPTables) clearOtherVariant(ctx context.Context) error {
	for _, x := range otherXTables() {
		if v, err := x.variant(ctx); err != nil || v == t.variant {
			continue
		}
		if _, err := x.clear(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Apply makes one change in one run of ipset.
func (t *IPTables) Apply(ctx context.Context, c Change) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.apply(ctx, c)
}

// apply is called with the lock held.
func (t *IPTables) apply(ctx context.Context, c Change) error {
	if !t.started {
		return errNotStarted
	}
	now := t.options.now()
	script, err := t.changeScript(c, now)
	if err != nil || script == "" {
		return err
	}
	if _, err := execute(ctx, script, "ipset", "restore", "-exist"); err != nil {
		return err
	}
	t.installed(ctx, c, now)
	return nil
}

func (t *IPTables) changeScript(c Change, now time.Time) (string, error) {
	entries, ended, err := ipsetEntries(c.Set, now)
	if err != nil {
		return "", err
	}
	lifts, _, err := ipsetEntries(permanent(append(slices.Clip(c.Lift), ended...)), now)
	if err != nil {
		return "", err
	}
	var s ipsetScript
	for _, e := range lifts {
		if t.has(e.prefix) {
			s.del(ipsetOf(e.prefix.Addr().Is6()), e.prefix)
		}
	}
	for _, e := range entries {
		if t.has(e.prefix) {
			s.add(ipsetOf(e.prefix.Addr().Is6()), e)
		}
	}
	return s.String(), nil
}

// has reports whether we handle the prefix's family.
func (t *IPTables) has(p netip.Prefix) bool {
	return slices.ContainsFunc(t.families, func(x xtables) bool { return x.v6 == p.Addr().Is6() })
}

// installed does what follows a change that was made.
func (t *IPTables) installed(ctx context.Context, c Change, now time.Time) {
	for _, p := range c.Lift {
		p, _ = Clean(p)
		delete(t.long, p)
	}
	for _, b := range c.Set {
		b.Prefix, _ = Clean(b.Prefix)
		delete(t.long, b.Prefix)
		if b.Until.Sub(now) > maxIPSetTimeout {
			t.long[b.Prefix] = b
		}
	}
	if t.rearmAt.IsZero() {
		t.rearmAt = now.Add(maxIPSetTimeout / 2)
	}
	t.sample.note(c, now)
	t.sockets.kill(ctx, t.options, c, now)
}

// rearm gives bans that end later than an ipset timeout can say a new timeout,
// when half of the last one has passed. After an error it is due still.
func (t *IPTables) rearm(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.options.now()
	if t.rearmAt.IsZero() || !now.After(t.rearmAt) {
		return nil
	}
	// No change comes in between: a ban lifted meanwhile would be set again.
	if err := t.apply(ctx, Change{Set: slices.Collect(maps.Values(t.long))}); err != nil {
		return err
	}
	t.rearmAt = now.Add(maxIPSetTimeout / 2)
	return nil
}

// List reads both sets; without them there are no bans.
func (t *IPTables) List(ctx context.Context) ([]Ban, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var bans []Ban
	for _, x := range t.families {
		saved, err := execute(ctx, "", "ipset", "save", ipsetOf(x.v6))
		if errors.Is(err, ErrGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		some, err := parseIPSet(saved, t.options.now())
		if err != nil {
			return nil, err
		}
		for i, b := range some {
			if long, ok := t.long[b.Prefix]; ok {
				some[i].Until = long.Until
			}
		}
		bans = append(bans, some...)
	}
	return bans, nil
}

// Sockets returns what was done to the sockets of banned hosts so far.
func (t *IPTables) Sockets() SocketStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sockets
}

// Close gives up the claim on the rules. Sets and rules stay.
func (t *IPTables) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.claim.close()
}
