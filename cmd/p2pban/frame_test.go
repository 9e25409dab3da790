package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/control"
)

func alarmed() *view {
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	return &view{Status: &control.Status{Version: "1.0", Started: now.Add(-3 * time.Hour), Uptime: 3 * 3600, Now: now,
		Alarms:  []control.Alarm{{Kind: "after-ban", Since: now.Add(-12 * time.Minute), What: "hosts still come", Fix: "look\nhere"}},
		Sources: []control.SourceStatus{{Name: "node", State: "reading", Lines: 300, Events: 40}},
	}}
}

func TestFrameAlarmsFirst(t *testing.T) {
	lines := strings.Split(string(draw(alarmed(), screen{})), "\n")
	if lines[1] != "ALARM after-ban (12m): hosts still come" || lines[2] != "      look" {
		t.Errorf("the frame begins with %q", lines[:3])
	}
	if loud := string(draw(alarmed(), screen{colour: true})); !strings.Contains(loud, "\x1b[1;31mALARM") || strings.Count(loud, "\x1b") != 2 {
		t.Errorf("in colour, only the alarm is loud: %q", loud)
	}
}

// A clock that was set back behind the start of the daemon does not make it young.
func TestUptimeAcrossClocks(t *testing.T) {
	v := alarmed()
	v.Status.Started = v.Status.Now.Add(time.Hour)
	if got := string(draw(v, screen{})); !strings.Contains(got, "up 3h,") {
		t.Errorf("top does not say that it is up for 3 hours:\n%s", got)
	}
	var out strings.Builder
	if printStatus(&out, v.Status); !strings.Contains(out.String(), "up 3h,") {
		t.Errorf("status does not say that it is up for 3 hours:\n%s", &out)
	}
}

func TestWrap(t *testing.T) {
	const indent = "      "
	for _, c := range []struct {
		text    string
		columns int
		want    []string
	}{
		{"ALARM of many words", 0, []string{"ALARM of many words"}},
		{"ALARM of many words", 19, []string{"ALARM of many words"}},
		{"ALARM of many words", 18, []string{"ALARM of many", indent + "words"}},
		{indent + "look at one änd another and a third", 20, []string{indent + "look at one", indent + "änd another", indent + "and a third"}},
		{"one of three lines, which is all that it may take up", 20, []string{"one of three lines,", indent + "which is all", indent + "that it may take up"}},
		{"ALARM x: " + strings.Repeat("y", 30), 20, []string{"ALARM x:", indent + strings.Repeat("y", 30)}},
	} {
		if got := (screen{columns: c.columns}).wrap(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d columns: %q, want %q", c.text, c.columns, got, c.want)
		}
	}
}

func TestRates(t *testing.T) {
	v := alarmed()
	before := *v.Status
	before.Uptime -= 2
	before.Now = before.Now.Add(time.Hour) // from where the clock has been set back
	before.Sources = []control.SourceStatus{{Name: "node", Lines: 100, Events: 39}, {Name: "gone"}}
	v.LinesPerSecond, v.EventsPerSecond = map[string]float64{}, map[string]float64{}
	v.rates(&before)
	if len(v.LinesPerSecond) != 1 || v.LinesPerSecond["node"] != 100 || v.EventsPerSecond["node"] != 0.5 {
		t.Errorf("rates: %v lines, %v events; want 200 lines and 1 event in 2 s", v.LinesPerSecond, v.EventsPerSecond)
	}
	// Another daemon, and a source that began anew, have none.
	for _, change := range []func(){
		func() { before.Started = before.Started.Add(-time.Second) },
		func() { before.Started = v.Status.Started; before.Sources[0].Lines = 301 },
	} {
		change()
		clear(v.LinesPerSecond)
		if v.rates(&before); len(v.LinesPerSecond) != 0 {
			t.Errorf("rates of what began anew: %v", v.LinesPerSecond)
		}
	}
}

func TestFit(t *testing.T) {
	got := fit("äbcdef\n\x1b[1;31mabcdef\x1b[0m\nthird\nfourth\n", screen{columns: 3, rows: 4})
	if want := safe("äbc\x1b[K\n\x1b[1;31mabc\x1b[0m\x1b[K\nthi\x1b[K\n"); got != want {
		t.Errorf("fit: %q, want %q", got, want)
	}
}

// A long reason would push the columns behind it off the screen.
func TestStateIsOneWord(t *testing.T) {
	for long, short := range map[string]string{
		"reading": "reading", "starting": "starting", "failed: open /x: permission denied": "FAILED", "waiting for /x": "WAITING", "trouble: unit y": "TROUBLE",
	} {
		if got := state(long); got != short {
			t.Errorf("%q is shown as %q, want %q", long, got, short)
		}
	}
}

// A daemon that is away: what to do stands on the screen to be read, and not behind the
// end of a line; a hostile name in it does nothing to the terminal.
func TestErrorOnTheScreen(t *testing.T) {
	said := "no daemon answers on /run/p2pban/p2pban.sock\nis the daemon running? start it with systemctl\n\x1b[2J"
	got := fit(drawError(errors.New(said), screen{}), screen{rows: 10, columns: 60})
	want := "no daemon answers on /run/p2pban/p2pban.sock\x1b[K\nis the daemon running? start it with systemctl\x1b[K\n\\x1b[2J\x1b[K\n"
	if string(got) != want {
		t.Errorf("drawn is %q, want %q", got, want)
	}
	if narrow := drawError(errors.New(said), screen{columns: 30}); !strings.Contains(string(narrow), "running? start\n      it with systemctl\n") {
		t.Errorf("on a narrow screen the cure is drawn as %q", narrow)
	}
}
