package main

import (
	"sort"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/control"
)

const unbanLong = `Let hosts in again: the bans of every jail on each HOST, CIDR prefix or multiaddr
are lifted. Judging goes on: a host that misbehaves again is banned again; put
it into ignoreip to let it in for good.`

func newUnban(g *global) *cobra.Command {
	var r control.UnbanRequest
	c := &cobra.Command{
		Use:     "unban HOST|CIDR|MULTIADDR ... | --all",
		Short:   "Let hosts in again",
		Long:    unbanLong,
		Example: "  p2pban unban 192.0.2.7\n  p2pban unban 2001:db8:5::/48 /ip4/192.0.2.8/tcp/4001\n  p2pban unban --all",
		RunE: func(c *cobra.Command, args []string) error {
			if r.All == (len(args) > 0) {
				return usagef("name the hosts to let in again, or all of them with --all")
			}
			r.Targets = args
			reply, err := g.client().Unban(c.Context(), r)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(c.OutOrStdout(), reply)
			}
			return printUnban(c, reply)
		},
	}
	c.Flags().BoolVar(&r.All, "all", false, "lift every ban")
	return c
}

func printUnban(c *cobra.Command, r *control.UnbanReply) error {
	w := c.OutOrStdout()
	for _, p := range r.Lifted {
		say(w, "unbanned %s\n", p)
	}
	for _, t := range r.NotBanned {
		say(w, "%s was not banned\n", t)
	}
	covered := make([]string, 0, len(r.Covered))
	for t := range r.Covered {
		covered = append(covered, t)
	}
	sort.Strings(covered)
	for _, t := range covered {
		say(w, "%s is still out: the ban on %s covers it; `p2pban unban %s` lifts that\n", t, r.Covered[t], r.Covered[t])
	}
	if len(r.Lifted) == 0 && len(covered) == 0 && len(r.NotBanned) == 0 {
		say(w, "there were no bans\n")
	}
	if len(covered) > 0 {
		return silentError(exitFailed)
	}
	return nil
}
