package agent

import (
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
)

var twoStrikes = []jail.Config{{
	Name: "two", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 2, BanTime: time.Hour, Guard: jail.Guard{Off: true},
}}

func strike(at time.Time, host string) parser.Event {
	return parser.Event{Time: at, Rule: "r", Host: netip.MustParseAddr(host), Weight: 1}
}

// A daemon whose machine once believed to be years ahead must neither be blind
// after its next start nor keep its bans for years.
func TestStartAfterTheClockWasAhead(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	ahead := now.Add(4 * 365 * 24 * time.Hour)
	s, err := jail.New(twoStrikes, jail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Observe(strike(ahead.Add(-20*time.Minute), "192.0.2.1"))
	s.Observe(strike(ahead.Add(-20*time.Minute), "192.0.2.1")) // out, with 40 minutes left
	s.Observe(strike(ahead, "192.0.2.2"))                      // one more and it is out
	saved := state.Saved{
		Bans:       slices.Collect(s.InForce()),
		Checkpoint: state.Checkpoint{Clock: s.Clock(), Snapshot: s.Snapshot()},
	}

	var told strings.Builder
	next, changed, err := restoreJails(twoStrikes, jail.Options{}, saved, now, slog.New(slog.NewTextHandler(&told, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if len(changed) != 1 || changed[0].Action != jail.Ban || !changed[0].Until.Equal(now.Add(40*time.Minute)) {
		t.Errorf("to save: %+v, want the ban with the 40 minutes it had left", changed)
	}
	if d := next.Observe(strike(now.Add(time.Second), "192.0.2.2")); len(d) != 1 || d[0].Action != jail.Ban {
		t.Errorf("the second strike gives %v, want a ban: the first was a second before it", d)
	}
	if !strings.Contains(told.String(), "clock went back") {
		t.Errorf("nothing of it in the log:\n%s", told.String())
	}

	saved.Checkpoint = state.Checkpoint{} // lost, or never written
	next, changed, err = restoreJails(twoStrikes, jail.Options{}, saved, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if b, n := next.Banned(netip.MustParsePrefix("192.0.2.1/32")); n != 1 || !b.Until.Equal(now.Add(time.Hour)) {
		t.Errorf("ban restored without windows: %+v, %v, want it to end an hour from now, for its own time is the latest known", b, n)
	}
	if len(changed) != 1 || !changed[0].Until.Equal(now.Add(time.Hour)) {
		t.Errorf("to save: %+v", changed)
	}
}

// The same while it runs.
func TestTickAfterTheClockWentBack(t *testing.T) {
	e := newEngine(t)
	e.caughtUp = true
	byHand(t, e, 1) // for an hour
	now := time.Now()
	e.advance(now.Add(30 * time.Minute))
	e.advance(now)
	ban := slices.Collect(e.jails.InForce())[0]
	if left := ban.Until.Sub(now); left > 31*time.Minute || left < 29*time.Minute {
		t.Errorf("the ban has %v left, want the half hour it had before the clock went back", left)
	}
	if len(e.pending) != 1 || !e.pending[0].Until.Equal(ban.Until) {
		t.Errorf("to be saved: %+v, want the ban with its new end", e.pending)
	}
	before := e.jails.Clock()
	e.advance(now.Add(-maxAhead))
	if !e.jails.Clock().Equal(before) {
		t.Errorf("the clock moved from %v to %v: that little may be a line's", before, e.jails.Clock())
	}
}

// A machine without a clock chip starts with a clock that is behind, and is told the
// time later. Whatever comes first after that, a tick, a line or a request, what was
// banned before stays out for the time it has left. Sleep is no such step.
func TestBansStayWhenTheClockIsSetForward(t *testing.T) {
	const hour = time.Hour
	for _, c := range []struct {
		name       string
		wall, mono time.Duration // from the ban on
		next       func(*engine, time.Time)
		left       time.Duration // of the hour of the ban; 0: it is over
	}{
		{"at a tick", 100 * 24 * hour, hour / 2, (*engine).advance, hour / 2},
		{"at a line", 100 * 24 * hour, hour / 2, func(e *engine, now time.Time) {
			s := &source{}
			e.judge(&batchRead{src: s, events: []parser.Event{strike(now, "192.0.2.1")}})
		}, hour / 2},
		{"little by little", 80 * time.Second, 0, func(e *engine, now time.Time) {
			e.advance(now.Add(-40 * time.Second))
			e.advance(now)
		}, hour},
		{"not at all: it slept", 100 * 24 * hour, 100 * 24 * hour, (*engine).advance, 0},
		{"and back again", 0, 0, func(e *engine, now time.Time) {
			e.now = func() time.Time { return now.Add(24 * hour) }
			e.advance(e.now())
			e.now = func() time.Time { return now }
			e.advance(now)
		}, hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEngine(t)
			e.caughtUp = true
			now, up := time.Now(), time.Duration(0)
			e.now, e.upTime = func() time.Time { return now }, func() time.Duration { return up }
			e.booted = e.bootTime()
			byHand(t, e, 1) // for an hour
			now, up = now.Add(c.wall), up+c.mono
			c.next(e, e.now())
			e.advance(e.now())
			bans := slices.Collect(e.jails.InForce())
			if c.left == 0 {
				if len(bans) != 0 {
					t.Errorf("banned still: %+v", bans)
				}
				return
			}
			if len(bans) != 1 || bans[0].Until.Sub(e.now()).Round(time.Second) != c.left {
				t.Fatalf("bans %+v at %v, want one with %v left", bans, e.now(), c.left)
			}
			if n := len(e.pending); n == 0 || !e.pending[n-1].Until.Equal(bans[0].Until) {
				t.Errorf("to be saved: %+v, want the ban with its new end", e.pending)
			}
		})
	}
}

// The kernel's own word for it is rounded to seconds.
func TestBootTimeIsTheKernels(t *testing.T) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), "\nbtime ")
	line, _, _ := strings.Cut(after, "\n")
	btime, err := strconv.ParseInt(line, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	got := newEngine(t).booted
	if d := got.Sub(time.Unix(btime, 0)); d < -2*time.Second || d > 2*time.Second {
		t.Errorf("the machine began to run at %v, the kernel says %v", got, time.Unix(btime, 0))
	}
}
