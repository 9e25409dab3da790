package agent

import (
	"log/slog"
	"net/netip"
	"slices"
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
