package firewall

import (
	"context"
	"errors"
	"fmt"
	"time"

	vnetlink "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Verify reads back our rules and the given bans, or some that were installed
// lately. It runs one program for each family.
func (t *IPTables) Verify(ctx context.Context, sample []Ban) error {
	if err := t.verifyRules(ctx); err != nil {
		return err
	}
	return t.verifyBans(ctx, sample)
}

func (t *IPTables) verifyRules(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.started {
		return errNotStarted
	}
	for _, x := range t.families {
		stand, bypass, err := x.saved(ctx)
		if err != nil {
			return err
		}
		if bypass != "" {
			return fmt.Errorf("%w: in table raw of %s a rule before ours lets packets pass: %s", ErrGone, x.program, bypass)
		}
		if !sameRules(stand, x.rules(t.options)) {
			return fmt.Errorf("%w: %s has not the rules we made in table raw: %d stand", ErrGone, x.program, len(stand))
		}
	}
	return nil
}

// verifyBans runs no program.
func (t *IPTables) verifyBans(ctx context.Context, sample []Ban) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.started {
		return errNotStarted
	}
	if len(sample) == 0 {
		sample = t.sample.bans
	}
	soon := t.options.now().Add(2 * time.Second)
	for _, b := range sample {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !b.Until.IsZero() && b.Until.Before(soon) {
			continue
		}
		if err := t.verifyBan(b); err != nil {
			return err
		}
	}
	return nil
}

func (t *IPTables) verifyBan(b Ban) error {
	p, err := Clean(b.Prefix)
	if err != nil || !t.has(p) {
		return err
	}
	found, err := vnetlink.IpsetTest(ipsetOf(p.Addr().Is6()), &vnetlink.IPSetEntry{IP: p.Addr().AsSlice(), CIDR: uint8(p.Bits())})
	if kind := errnoKind(err); err != nil && !errors.Is(kind, ErrGone) {
		return kernelError("looking up "+p.String(), err)
	}
	if err != nil || !found {
		return fmt.Errorf("%w: the ban of %s is not in the kernel", ErrGone, p)
	}
	return nil
}

// setPollInterval is how often Watch looks where the kernel tells nothing: at
// the sets always, and at the rules of the legacy variant, for which two short
// programs are run.
const setPollInterval = time.Second

// Watch calls report for every disturbance until the context ends, and returns
// its error. Where iptables is the nf_tables variant the kernel tells of lost
// rules at once; an ipset that was emptied, and lost rules of the legacy
// variant, are found within a second. It also keeps bans alive that are longer
// than an ipset timeout.
func (t *IPTables) Watch(ctx context.Context, report func(Disturbance)) error {
	var l *listener
	if t.variant == "nf_tables" {
		l = &listener{ports: &ownPorts{}, concerns: func(family byte, table string) bool {
			return (family == unix.NFPROTO_IPV4 || family == unix.NFPROTO_IPV6) && table == "raw"
		}}
	}
	var rulesSeen time.Time
	return watch(ctx, setPollInterval, l, report, func(by string) error {
		// Our own changes are announced as iptables' as well, so only what is
		// missing counts.
		err := t.verifyBans(ctx, nil)
		if err == nil && (l == nil || by != "" || time.Since(rulesSeen) >= pollInterval) {
			if err = t.verifyRules(ctx); err == nil {
				rulesSeen = time.Now()
			}
		}
		if disturbed(err) {
			return err
		}
		if err := t.rearm(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		return nil
	})
}
