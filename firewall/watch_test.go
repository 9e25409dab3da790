package firewall

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// tellingTime bounds waiting for a report, which comes within a second: the
// tests log when, and hold by its author that the kernel told of it.
const tellingTime = 30 * time.Second

// watching runs Watch for the length of the test and passes on its reports.
func watching(t *testing.T, b *NFTables) <-chan Disturbance {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	reports := make(chan Disturbance, 100) // more than a test causes
	done := make(chan error, 1)
	go func() { done <- b.Watch(ctx, func(d Disturbance) { reports <- d }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch ended with %v", err)
		}
	})
	// Watch is listening once it tells of a change.
	eventually(t, "Watch listens", func() bool {
		run(t, "", "nft", "add set inet p2pban probe { type mark; }; delete set inet p2pban probe")
		select {
		case <-reports:
			return true
		case <-time.After(200 * time.Millisecond):
			return false
		}
	})
	// Reports of the probes may still be on their way.
	for {
		select {
		case <-reports:
		case <-time.After(3 * settleTime):
			return reports
		}
	}
}

func TestWatchTellsOfForeignChanges(t *testing.T) {
	b := newNFTables(t, Options{})
	mustInit(t, b, mixed()...)
	reports := watching(t, b)
	for _, c := range []struct{ nft, missing string }{
		{"flush ruleset", "no table"},
		{"delete table inet p2pban", "no table"},
		{"flush chain inet p2pban prerouting", "prerouting"},
		{"flush chain inet p2pban output", "output"},
		{"insert rule inet p2pban prerouting accept", "prerouting"},
		{"flush set inet p2pban ipv6_64", "2001:db8:1:2::/64"},
		{"add table inet p2pban { flags dormant; }", "dormant"},
		{"add element inet p2pban ipv4 { 203.0.113.200 }", "changed"},
		{"delete element inet p2pban ipv4 { 192.0.2.2 }", "192.0.2.2"},
	} {
		start := time.Now()
		run(t, "", "nft", c.nft)
		select {
		case d := <-reports:
			t.Logf("%s: after %v: %v", c.nft, time.Since(start), d)
			if !errors.Is(d.Err, ErrGone) || !strings.Contains(d.Err.Error(), c.missing) || !strings.HasPrefix(d.By, "nft (pid ") {
				t.Errorf("%s: told %v", c.nft, d)
			}
		case <-time.After(tellingTime):
			t.Fatalf("%s: not told", c.nft)
		}
		mustInit(t, b, mixed()...)
		if err := b.Verify(context.Background(), mixed()); err != nil {
			t.Errorf("%s: after the repair: %v", c.nft, err)
		}
	}
}

func TestWatchIsQuietAboutOurselvesAndOthersTables(t *testing.T) {
	b := newNFTables(t, Options{})
	mustInit(t, b)
	reports := watching(t, b)
	for range 3 {
		mustInit(t, b, until(hosts(20_000), in(time.Hour))...)
		mustApply(t, b, Change{Set: mixed()})
		b.Close() // the next change comes from another socket
		mustApply(t, b, Change{Lift: hosts(20_000)})
		run(t, "", "nft", "add table inet theirs; delete table inet theirs; add table ip p2pban; delete table ip p2pban")
	}
	// A foreign change of ours comes last: when it is told, all before was seen.
	run(t, "", "nft", "delete table inet p2pban")
	select {
	case d := <-reports:
		if !strings.Contains(d.Err.Error(), "no table") {
			t.Errorf("told of something else: %v", d)
		}
	case <-time.After(tellingTime):
		t.Fatal("not told of the deleted table")
	}
	if len(reports) > 0 {
		t.Errorf("told of more: %v", <-reports)
	}
}

func TestVerify(t *testing.T) {
	ctx := context.Background()
	b := newNFTables(t, Options{Ports: []uint16{4001}})
	if err := b.Verify(ctx, nil); !errors.Is(err, ErrGone) {
		t.Errorf("before Init: %v, want ErrGone", err)
	}
	mustInit(t, b, mixed()...)
	for range 20 { // the sample is drawn by chance
		mustApply(t, b, Change{Set: mixed()})
		if err := b.Verify(ctx, nil); err != nil {
			t.Fatal("all is well, but:", err)
		}
	}
	if err := b.Verify(ctx, mixed()); err != nil {
		t.Error("every ban stands, but:", err)
	}
	for what, ban := range map[string]Ban{
		"one that is not there":       {Prefix: pfx("203.0.113.1/32"), Until: in(time.Hour)},
		"one of a length not in use":  {Prefix: pfx("203.0.113.0/25"), Until: in(time.Hour)},
		"one with another end":        {Prefix: pfx("192.0.2.1/32"), Until: in(3 * time.Hour)},
		"one that should be for ever": {Prefix: pfx("192.0.2.1/32")},
		"one that should end":         {Prefix: pfx("192.0.2.2/32"), Until: in(time.Hour)},
	} {
		if err := b.Verify(ctx, []Ban{ban}); !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v, want ErrGone", what, err)
		}
	}
	if err := b.Verify(ctx, []Ban{{Prefix: pfx("203.0.113.1/32"), Until: in(-time.Hour)}}); err != nil {
		t.Error("a ban that has ended is missed:", err)
	}
	mustApply(t, b, Change{Lift: prefixes("192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128", "2001:db8:1:2::/64")})
	if err := b.Verify(ctx, nil); err != nil {
		t.Error("lifted bans are missed:", err)
	}
}
