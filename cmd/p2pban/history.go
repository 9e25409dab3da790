package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/control"
)

const historyLong = `Show what was decided about a host, newest first: every ban, its end, and bans
that an eclipse guard held back. What was decided before the daemon's last start
is shown too, and so are bans of networks around HOST, and of hosts inside it if
it is a CIDR prefix. Without HOST, show what was decided about anybody.`

func newHistory(g *global) *cobra.Command {
	limit := control.DefaultHistory
	c := &cobra.Command{
		Use:   "history [HOST|CIDR|MULTIADDR]",
		Short: "Show what was decided about a host",
		Long:  historyLong,
		Example: `  p2pban history 192.0.2.7
  p2pban history 2001:db8::/32 --limit 1000
  p2pban history --json | jq -r 'select(.action=="ban").prefix'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 1 || limit > control.MaxHistory {
				return usagef("--limit is %d; want a number from 1 to %d", limit, control.MaxHistory)
			}
			target := ""
			if len(args) == 1 {
				target = args[0]
			}
			past, err := g.client().History(c.Context(), target, limit)
			if err != nil {
				return err
			}
			if g.json {
				return printHistoryJSON(c.OutOrStdout(), past)
			}
			return printHistory(c.OutOrStdout(), target, past, limit)
		},
	}
	c.Flags().IntVar(&limit, "limit", limit, "show at most this `number` of decisions, the latest")
	return c
}

// printHistoryJSON prints one object a line.
func printHistoryJSON(w io.Writer, past []control.Past) error {
	for _, p := range past {
		if err := printJSON(w, p); err != nil {
			return err
		}
	}
	return nil
}

func printHistory(w io.Writer, target string, past []control.Past, limit int) error {
	if len(past) == 0 {
		about := "anybody"
		if target != "" {
			about = target
		}
		_, err := say(w, "nothing was ever decided about %s\n", about)
		return err
	}
	t := table(w)
	say(t, "TIME\tDID\tPREFIX\tJAIL\tFAILURES\tUNTIL\tWHY\n")
	for _, p := range past {
		failures, end := "", ""
		if p.Failures > 0 {
			failures = fmt.Sprint(p.Failures)
		}
		if p.Action == "ban" {
			end = until(p.Until)
		}
		say(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", local(p.Time), p.Action, p.Prefix, p.Jail, failures, end, shortWhy(p.Ban))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(past) == limit {
		say(w, "these are the latest %d; --limit shows more\n", limit)
	}
	return nil
}
