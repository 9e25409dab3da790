package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/p2pban/p2pban/internal/control"
)

const topLong = `Show what goes on, live in the terminal, until you press ^C: alarms first, then
what the logs bring, the jails, the firewall, the hosts nearest to a ban, and
the latest decisions.

--once prints one frame and ends; it need not be a terminal.`

// Of what top shows, at most.
const (
	topHosts = 10
	topPast  = 5
)

func newTop(g *global) *cobra.Command {
	every, once := 2*time.Second, false
	c := &cobra.Command{
		Use:     "top",
		Short:   "Show what goes on, live",
		Long:    topLong,
		Example: "  p2pban top\n  p2pban top --every 500ms\n  p2pban top --once",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			defer catchSignals(c)()
			if every < 100*time.Millisecond {
				return usagef("--every is %v; want at least 100ms", every)
			}
			t := &top{client: g.client(), out: c.OutOrStdout(), every: every}
			if once || g.json {
				return t.once(c.Context(), g.json)
			}
			f := terminal(t.out)
			if f == nil {
				return usagef("top needs a terminal; --once prints one frame to anything")
			}
			t.colour = os.Getenv("NO_COLOR") == ""
			return t.live(c.Context(), f)
		},
	}
	c.Flags().DurationVar(&every, "every", every, "the `duration` from one look to the next; rates are counted over it")
	c.Flags().BoolVar(&once, "once", false, "print one frame and end")
	return c
}

// top draws frames of what a daemon says of itself.
type top struct {
	client *control.Client
	out    io.Writer
	every  time.Duration
	colour bool
}

// view is what one frame shows.
type view struct {
	Status *control.Status `json:"status"`
	// LinesPerSecond and EventsPerSecond are by source, over the time since the
	// look before.
	LinesPerSecond  map[string]float64   `json:"lines_per_second"`
	EventsPerSecond map[string]float64   `json:"events_per_second"`
	Nearest         []control.HostStatus `json:"nearest"`
	Latest          []control.Past       `json:"latest"`
}

// look asks the daemon; before is the status of the look before, or nil.
func (t *top) look(ctx context.Context, before *control.Status) (*view, error) {
	v := &view{LinesPerSecond: map[string]float64{}, EventsPerSecond: map[string]float64{}}
	var err error
	if v.Status, err = t.client.Status(ctx); err != nil {
		return nil, err
	}
	if v.Nearest, err = t.client.Nearest(ctx, topHosts); err != nil {
		return nil, err
	}
	if v.Latest, err = t.client.History(ctx, "", topPast); err != nil {
		return nil, err
	}
	v.rates(before)
	return v, nil
}

// rates compares two looks. A source whose counts went back began anew, and a
// daemon that began between the two has no rates yet.
func (v *view) rates(before *control.Status) {
	if before == nil || !before.Started.Equal(v.Status.Started) {
		return
	}
	seconds := v.Status.Uptime - before.Uptime
	if seconds <= 0 {
		return
	}
	for _, s := range v.Status.Sources {
		for _, old := range before.Sources {
			if old.Name == s.Name && old.Lines <= s.Lines && old.Events <= s.Events {
				v.LinesPerSecond[s.Name] = float64(s.Lines-old.Lines) / seconds
				v.EventsPerSecond[s.Name] = float64(s.Events-old.Events) / seconds
			}
		}
	}
}

// once looks twice, for the rates, and prints one frame.
func (t *top) once(ctx context.Context, json bool) error {
	first, err := t.client.Status(ctx)
	if err != nil {
		return err
	}
	if !sleep(ctx, t.every) {
		return nil
	}
	v, err := t.look(ctx, first)
	if err != nil {
		return err
	}
	if json {
		return printJSON(t.out, v)
	}
	_, err = say(t.out, "%s", draw(v, screen{}))
	return err
}

// Control sequences (ECMA-48; the alternate screen is xterm's).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // another screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearBelow  = "\x1b[J"
)

// live draws until ctx ends. A daemon that is away for a moment, to be
// restarted, is waited for.
func (t *top) live(ctx context.Context, terminal *os.File) error {
	v, err := t.look(ctx, nil)
	if err != nil {
		return err
	}
	say(t.out, enterScreen)
	defer say(t.out, leaveScreen)
	for {
		s := sizeOf(terminal)
		s.colour = t.colour
		var frame safe
		if err != nil {
			frame = fit(drawError(err, s), s)
		} else {
			frame = fit(draw(v, s), s)
		}
		if _, err := say(t.out, home+"%s"+clearBelow, frame); err != nil {
			return err
		}
		if !sleep(ctx, t.every) {
			return nil
		}
		var before *control.Status
		if v != nil {
			before = v.Status
		}
		v, err = t.look(ctx, before)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// sizeOf asks the terminal; 80 by 24 where it does not know.
func sizeOf(f *os.File) screen {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || w.Col == 0 || w.Row == 0 {
		return screen{columns: 80, rows: 24}
	}
	return screen{columns: int(w.Col), rows: int(w.Row)}
}

// sleep waits, and says whether it waited to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
