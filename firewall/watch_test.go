package firewall

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
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
	// Watch is listening once it tells of a change, and what came before is told
	// once it tells of the last one. Not each is told of: it may come too early,
	// or together with another.
	for probe := range int(tellingTime / time.Second) {
		name := fmt.Sprintf("probe%d", probe)
		foreign(t, name, "add set inet p2pban probe { type mark; }; delete set inet p2pban probe")
		if _, told := reportOf(reports, name, time.Second); told {
			return reports
		}
	}
	t.Fatal("Watch does not listen")
	return nil
}

// foreign makes a change with a program of that name, which the kernel tells.
func foreign(t *testing.T, name, change string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(netnstest.LookPath(t, "nft"), path); err != nil {
		t.Fatal(err)
	}
	run(t, "", path, change)
}

// reportOf waits for the report of a change by the program of that name. It
// gives all reports up to there.
func reportOf(reports <-chan Disturbance, name string, patience time.Duration) (all []Disturbance, told bool) {
	end := time.After(patience)
	for {
		select {
		case d := <-reports:
			all = append(all, d)
			if strings.HasPrefix(d.By, name+" (pid ") {
				return all, true
			}
		case <-end:
			return all, false
		}
	}
}

func TestWatchTellsOfForeignChanges(t *testing.T) {
	b := newNFTables(t, Options{})
	mustInit(t, b, mixed()...)
	reports := watching(t, b)
	for i, c := range []struct{ nft, missing string }{
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
		name := fmt.Sprintf("foreign%d", i)
		foreign(t, name, c.nft)
		all, told := reportOf(reports, name, tellingTime)
		t.Logf("%s: after %v: %v", c.nft, time.Since(start), all)
		if !told {
			t.Fatalf("%s: not told", c.nft)
		}
		if err := all[len(all)-1].Err; !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), c.missing) {
			t.Errorf("%s: told %v", c.nft, err)
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
		mustApply(t, b, Change{Set: fresh(in(time.Hour), mixed()...)}) // which the kernel refuses at first
		b.Close()                                                      // the next change comes from another socket
		mustApply(t, b, Change{Lift: hosts(20_000)})
		run(t, "", "nft", "add table inet theirs; delete table inet theirs; add table ip p2pban; delete table ip p2pban")
	}
	// A foreign change of ours comes last: when it is told, all before was seen.
	foreign(t, "last", "delete table inet p2pban")
	all, told := reportOf(reports, "last", tellingTime)
	if !told {
		t.Error("not told of the deleted table")
	}
	for _, d := range all {
		if !strings.Contains(d.Err.Error(), "no table") {
			t.Errorf("told of something else: %v", d)
		}
	}
}

// A look in between that falls into a change sees half of it: its bans are gone,
// its table was still there a moment ago. What is told is what stands then.
func TestWatchLooksAgain(t *testing.T) {
	half, whole := errors.New("half of it"), errors.New("all of it")
	looks := make(chan error, 3)
	looks <- half
	looks <- whole
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var reports []Disturbance
	err := watch(ctx, time.Millisecond, nil, func(d Disturbance) { reports = append(reports, d) }, func(string) error {
		select {
		case err := <-looks:
			return err
		default:
			cancel() // a look in between, and all is well
			return nil
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("watch ended with %v", err)
	}
	if len(reports) != 1 || !errors.Is(reports[0].Err, whole) {
		t.Errorf("told %v, want once: %v", reports, whole)
	}
}

// What a named change did may be more than a look can see, so that its name may
// not get lost behind the nameless word that the socket was opened again.
func TestOfferKeepsTheName(t *testing.T) {
	for _, c := range []struct {
		offers []string
		want   string
	}{
		{[]string{""}, ""},
		{[]string{"", "nft (pid 1)"}, "nft (pid 1)"},
		{[]string{"nft (pid 1)", ""}, "nft (pid 1)"},
		{[]string{"nft (pid 1)", "nft (pid 2)"}, "nft (pid 1)"},
	} {
		changes := make(chan string, 1)
		for _, by := range c.offers {
			offer(changes, by)
		}
		if got := <-changes; got != c.want || len(changes) > 0 {
			t.Errorf("%q: %q waits, want %q alone", c.offers, got, c.want)
		}
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
	b.options.Now = func() time.Time { return in(2 * time.Minute) } // it was set, or the machine slept
	if err := b.Verify(ctx, mixed()); !errors.Is(err, ErrEnds) {
		t.Errorf("the machine's clock was set: %v, want ErrEnds", err)
	}
	b.options.Now = nil
	if err := b.Verify(ctx, []Ban{{Prefix: pfx("203.0.113.1/32"), Until: in(-time.Hour)}}); err != nil {
		t.Error("a ban that has ended is missed:", err)
	}
	mustApply(t, b, Change{Lift: prefixes("192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128", "2001:db8:1:2::/64")})
	if err := b.Verify(ctx, nil); err != nil {
		t.Error("lifted bans are missed:", err)
	}
}
