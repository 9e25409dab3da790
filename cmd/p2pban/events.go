package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/control"
)

const eventsLong = `Follow what the daemon does, from now on and until you press ^C: bans, their
ends, bans that an eclipse guard holds back, alarms and their ends. A reader
that is too slow loses events and is told how many; the daemon never waits.

--json prints one object a line.`

func newEvents(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "events",
		Short:   "Follow what the daemon does",
		Long:    eventsLong,
		Example: "  p2pban events\n  p2pban events --json | jq -r 'select(.type==\"ban\").ban.prefix'",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			defer catchSignals(c)()
			out := c.OutOrStdout()
			if terminal(out) != nil && !g.json {
				say(c.ErrOrStderr(), "following the daemon; ^C ends\n")
			}
			err := g.client().Events(c.Context(), func(e control.Event) error {
				if g.json {
					return printJSON(out, e)
				}
				return printEvent(out, &e)
			})
			if err == nil && c.Context().Err() == nil {
				err = errors.New("the daemon has ended, and the stream with it\n`systemctl status p2pban` shows why")
			}
			return err
		},
	}
}

// printEvent prints one event on one line, but for the cure of an alarm.
func printEvent(w io.Writer, e *control.Event) error {
	text, cure := "", safe("")
	switch {
	case e.Ban != nil:
		text = fmt.Sprintf("%s in jail %s", e.Ban.Prefix, e.Ban.Jail)
		if e.Type == "ban" {
			text += " " + untilEnd(e.Ban.Until)
		}
		if e.Ban.Failures > 0 {
			text += fmt.Sprintf(", %d failures", e.Ban.Failures)
		}
		if because := shortWhy(*e.Ban); because != "" {
			text += ": " + because
		}
	case e.Alarm != nil:
		text = e.Alarm.Kind + ": " + e.Alarm.What
		if e.Alarm.Fix != "" && e.Type == "alarm" {
			cure = "\n    " + indent(e.Alarm.Fix, "    ")
		}
	case e.Lost > 0:
		text = plural(e.Lost, "event") + " lost, because this reader was too slow"
	}
	_, err := say(w, "%s  %-10s  %s%s\n", local(e.Time), e.Type, text, cure)
	return err
}
