package firewall

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Verify reads back our rules and the given bans, or one that was installed
// lately. It runs one program for each family and each ban.
func (t *IPTables) Verify(ctx context.Context, sample []Ban) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.started {
		return errNotStarted
	}
	for _, x := range t.families {
		stand, err := x.standing(ctx)
		if err != nil {
			return err
		}
		if !sameRules(stand, x.rules(t.options)) {
			return fmt.Errorf("%w: %s has not the rules we made in table raw: %d stand", ErrGone, x.program, len(stand))
		}
	}
	if len(sample) == 0 {
		sample = t.sample.bans[:min(len(t.sample.bans), 1)]
	}
	soon := t.options.now().Add(2 * time.Second)
	for _, b := range sample {
		if !b.Until.IsZero() && b.Until.Before(soon) {
			continue
		}
		if err := t.verifyBan(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (t *IPTables) verifyBan(ctx context.Context, b Ban) error {
	p, err := Clean(b.Prefix)
	if err != nil {
		return err
	}
	_, err = execute(ctx, "", "ipset", "test", ipsetOf(p.Addr().Is6()), p.String())
	if err == nil || errors.Is(err, ErrPermission) || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: the ban of %s is not in the kernel: %v", ErrGone, p, err)
}

// legacyPollInterval is how often Watch looks where the kernel tells nothing:
// two or three short programs each time.
const legacyPollInterval = time.Second

// Watch calls report for every disturbance until the context ends, and returns
// its error. Where iptables is the nf_tables variant the kernel tells of lost
// rules at once, else Watch looks every second. It also keeps bans alive that
// are longer than an ipset timeout.
func (t *IPTables) Watch(ctx context.Context, report func(Disturbance)) error {
	interval, l := legacyPollInterval, (*listener)(nil)
	if t.variant == "nf_tables" {
		interval = pollInterval
		l = &listener{ports: &ownPorts{}, concerns: func(family byte, table string) bool {
			return (family == unix.NFPROTO_IPV4 || family == unix.NFPROTO_IPV6) && table == "raw"
		}}
	}
	return watch(ctx, interval, l, func(by string) {
		// Our own changes are announced as iptables' as well, so only what is
		// missing counts.
		if err := t.Verify(ctx, nil); disturbed(err) {
			report(Disturbance{Err: err, By: by})
		}
		if err := t.rearm(ctx); err != nil && ctx.Err() == nil {
			report(Disturbance{Err: err})
		}
	})
}
