package agent

import (
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/sources"
)

// atRest is an engine whose loop does not run: the test is its goroutine and
// its clock.
func atRest(t *testing.T) (e *engine, now *time.Time) {
	t.Helper()
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Firewall.Backend = "print"
	cfg.Daemon.State = filepath.Join(dir, "state.db")
	cfg.Sources = []config.Source{{Name: "node", Files: []string{filepath.Join(dir, "node.log")}}}
	rules, err := cfg.Ruleset.Expand([]string{"go-libp2p/*"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Jails = []jail.Config{{Name: "never", Rules: rules, FindTime: time.Minute, MaxRetry: 1 << 40, BanTime: time.Hour}}
	store, saved, err := state.Open(cfg.Daemon.State)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	a, err := build(t.Context(), Options{Config: cfg, Log: slog.New(slog.DiscardHandler), Out: io.Discard}, store, saved, "")
	if err != nil {
		t.Fatal(err)
	}
	e = a.engine
	at := time.Now()
	e.now, e.caughtUp = func() time.Time { return at }, true
	e.upTime = func() time.Duration { return e.now().Sub(e.booted) } // nobody sets the clock
	return e, &at
}

// TestAlarmsOfAChangedNode is an upgrade that changes the format, then a node
// that stops, then one that comes back, as an operator sees it.
func TestAlarmsOfAChangedNode(t *testing.T) {
	e, now := atRest(t)
	events, stop := e.bus.subscribe()
	defer stop()
	standing := func() []string {
		e.watch(*now)
		var kinds []string
		for _, a := range e.alarms.list() {
			kinds = append(kinds, a.Kind)
			if a.What == "" || a.Fix == "" {
				t.Errorf("the alarm %s lacks its cause or its cure: %+v", a.Kind, a)
			}
		}
		return kinds
	}
	expect := func(when string, kinds ...string) {
		t.Helper()
		if got := standing(); !slices.Equal(got, kinds) {
			t.Fatalf("%s: the alarms are %q, want %q", when, got, kinds)
		}
		counted := e.count().Alarms
		for _, kind := range control.AlarmKinds {
			want := 0
			if slices.Contains(kinds, kind) {
				want = 1
			}
			if n, ok := counted[kind]; n != want || !ok {
				t.Errorf("%s: %d alarms %s are counted, want %d", when, n, kind, want)
			}
		}
	}
	say := func(text string, every time.Duration, times int) {
		for range times {
			*now = now.Add(every)
			e.batch(sources.Batch{Source: "node", Stream: "node.log", Lines: []sources.Line{{Text: text}}})
		}
	}
	say(canonical(established), time.Minute, 48*60)
	expect("after two good days")
	say("a new format", time.Second, 3700)
	expect("after an hour of a new format", "unrecognised")
	if a := e.alarms.list()[0]; !strings.Contains(a.What, `seen instead: "a new format"`) || !strings.Contains(a.Fix, "canonical-log=info") {
		t.Errorf("the alarm is %+v", a)
	}
	*now = now.Add(61 * time.Minute)
	expect("after an hour of silence", "unrecognised", "silent")
	say(canonical(established), time.Second, 1)
	expect("after a good line")

	var told []string
	for len(events) > 0 {
		ev := <-events
		told = append(told, ev.Type+" "+ev.Alarm.Kind)
	}
	slices.Sort(told)
	if want := []string{"alarm silent", "alarm unrecognised", "alarm-over silent", "alarm-over unrecognised"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}

	// Somebody flushes the firewall once: it is told for an hour.
	f := e.enforcers[0]
	f.now = e.now
	f.Repair("the table is gone: done by nft (pid 4242)")
	expect("after a flush", "repaired")
	if a := e.alarms.list()[0]; !strings.Contains(a.What, "(pid 4242)") {
		t.Errorf("the alarm does not say who did it: %+v", a)
	}
	say(canonical(established), 59*time.Minute, 1)
	expect("within the hour", "repaired")
	say(canonical(established), time.Minute, 1)
	expect("after the hour")

	// A source that is no more has no alarms.
	*now = now.Add(80 * time.Hour)
	expect("after days of silence", "silent")
	e.alarms.drop("node")
	if left := e.alarms.list(); len(left) > 0 {
		t.Errorf("the source is gone, its alarms are not: %+v", left)
	}
}

// What changes a deny list, or a node's filters, is no command of the firewall.
func TestAdviceAboutADisturbance(t *testing.T) {
	for backend, want := range map[string]string{
		"nftables": "nft flush ruleset", "iptables": "iptables -F", "denyfile": "another program writes the file", "kubo": "ipfs swarm filters rm",
	} {
		e, now := atRest(t)
		f := e.enforcers[0]
		f.now, f.status.Backend = e.now, backend
		f.Repair("the firewall is not as we left it")
		e.watch(*now)
		alarms := e.alarms.list()
		if len(alarms) != 1 || !strings.Contains(alarms[0].Fix, want) || backend != "nftables" && strings.Contains(alarms[0].Fix, "nft ") {
			t.Errorf("%s: %+v, want advice about %q", backend, alarms, want)
		}
	}
}

// TestAlarmOfALoss is a source that lost lines and reads on: that is told for a day,
// and does not stand for a state that it is not in.
func TestAlarmOfALoss(t *testing.T) {
	e, now := atRest(t)
	s := e.sources[0]
	st := sources.Stats{Following: []string{"node.log"}, Losses: []string{"the first one", "the position is lost"}, LastLoss: *now}
	if got := s.state(st); got != s.state(sources.Stats{Following: []string{"node.log"}}) {
		t.Errorf("the state of a source that lost lines is %q", got)
	}
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{
		{0, "source node may have lost lines: the position is lost (and 1 more since the start)"},
		{24*time.Hour - time.Second, "source node may have lost lines: the position is lost (and 1 more since the start)"},
		{24 * time.Hour, ""},
	} {
		if got := losses(now.Add(tt.after), s, st); got != tt.want {
			t.Errorf("after %v: %q, want %q", tt.after, got, tt.want)
		}
	}
}
