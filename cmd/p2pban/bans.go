package main

import (
	"bufio"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/control"
)

const bansLong = `List the bans in force, the oldest first: host or prefix, jail, since and until
when, and what the ban rests on. --json prints one array, with all the evidence.`

func newBans(g *global) *cobra.Command {
	var jail string
	c := &cobra.Command{
		Use:     "bans",
		Short:   "List the bans in force",
		Long:    bansLong,
		Example: "  p2pban bans\n  p2pban bans --jail libp2p-flood\n  p2pban bans --json | jq -r '.[].prefix'",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list := func(yield func(control.Ban) error) error { return g.client().Bans(c.Context(), jail, yield) }
			show := printBans
			if g.json {
				show = printBansJSON
			}
			// A long list is not to cost two calls of the system for each ban.
			out := bufio.NewWriter(c.OutOrStdout())
			return errors.Join(show(out, list), out.Flush())
		},
	}
	c.Flags().StringVar(&jail, "jail", "", "only the bans of this `jail`; \"manual\" for those made by hand")
	c.RegisterFlagCompletionFunc("jail", g.completeJailFlag)
	return c
}

func printBans(w io.Writer, list func(func(control.Ban) error) error) error {
	t := table(w)
	n := 0
	err := list(func(b control.Ban) error {
		if n == 0 {
			say(t, "PREFIX\tJAIL\tSINCE\tUNTIL\tFAILURES\tDROPPED\tWHY\n")
		}
		n++
		_, err := say(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", b.Prefix, b.Jail, local(b.Time), until(b.Until), b.Failures, b.Dropped, shortWhy(b))
		return err
	})
	if err != nil {
		return err
	}
	if n == 0 {
		say(w, "no bans in force\n")
	}
	return t.Flush()
}

// maxWhy is how many characters of a reason a row shows: the whole of a long one,
// which an operator may have pasted, would push all rows off the screen.
const maxWhy = 100

// shortWhy is why for a row among others; `p2pban status HOST` and --json have it
// whole.
func shortWhy(b control.Ban) string {
	text := why(b)
	if utf8.RuneCountInString(text) <= maxWhy {
		return text
	}
	return string([]rune(text)[:maxWhy-1]) + "…"
}

// why writes what a ban rests on, in a few words.
func why(b control.Ban) string {
	if b.Reason != "" {
		return b.Reason
	}
	return reasons(b.Rules)
}

func printBansJSON(w io.Writer, list func(func(control.Ban) error) error) error {
	sep := "["
	err := list(func(b control.Ban) error {
		if _, err := say(w, "%s", sep); err != nil {
			return err
		}
		sep = ","
		return printJSON(w, b)
	})
	if err != nil {
		return err
	}
	if sep == "[" {
		_, err = say(w, "[]\n")
	} else {
		_, err = say(w, "]\n")
	}
	return err
}
