package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/jail"
)

const statusLong = `Show what the daemon is doing: alarms first, then the log sources, the jails
and the firewall.

With JAIL, show that jail, and the hosts that it would have banned but for its
eclipse guard, which keeps a jail from banning most of a node's peers. With HOST
(an address or a multiaddr), show what every jail knows of that host and what
its ban rests on.`

func newStatus(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "status [JAIL|HOST]",
		Short:   "Show what the daemon is doing",
		Long:    statusLong,
		Example: "  p2pban status\n  p2pban status libp2p-flood\n  p2pban status 192.0.2.7\n  p2pban status --json | jq .alarms",
		Args:    cobra.MaximumNArgs(1),

		ValidArgsFunction: g.completeJails,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return statusOf(g, c, args[0])
			}
			s, err := g.client().Status(c.Context())
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(c.OutOrStdout(), s)
			}
			printStatus(c.OutOrStdout(), s)
			return nil
		},
	}
}

func printStatus(w io.Writer, s *control.Status) {
	for _, a := range s.Alarms {
		say(w, "ALARM %s: %s (since %s)\n", a.Kind, a.What, local(a.Since))
		if a.Fix != "" {
			say(w, "      %s\n", indent(a.Fix, "      "))
		}
	}
	if len(s.Alarms) == 0 {
		say(w, "all is well\n")
	}
	say(w, "%s in force; up %s, %s, %s judged, configuration: %s\n\n",
		plural(s.Bans, "ban"), span(s.Up()), plural(s.Lines, "line"), plural(s.Events, "event"), s.Config)
	printSources(w, s)
	printJails(w, s.Jails)
	for _, f := range append([]control.FirewallStatus{s.Firewall}, s.Doors...) {
		printFirewall(w, s, &f)
	}
	if len(s.Rejected) > 0 {
		say(w, "refused lines: %s\n", reasons(s.Rejected))
	}
}

func printFirewall(w io.Writer, s *control.Status, f *control.FirewallStatus) {
	state := "works"
	switch {
	case f.Error != "":
		state = "FAILS: " + f.Error
	case !f.Healthy:
		state = "starting"
	}
	say(w, "firewall %s: %s; last change %s, %d waiting, repaired %s\n",
		f.Backend, state, ago(f.LastApplied, s.Now), f.Waiting, plural(f.Repaired, "time"))
}

func printSources(w io.Writer, s *control.Status) {
	t := table(w)
	say(t, "SOURCE\tREADS\tSTATE\tLINES\tUNREAD\tEVENTS\tLAST LINE\tRECOGNISED\tLAST EVENT\n")
	for _, r := range s.Sources {
		say(t, "%s\t%s\t%s\t%d\t%s\t%d\t%s\t%s\t%s\n", r.Name, r.What, state(r.State), r.Lines, unread(r.Lag), r.Events,
			ago(r.LastLine, s.Now), ago(r.LastRecognised, s.Now), ago(r.LastEvent, s.Now))
	}
	t.Flush()
	say(w, "\n")
}

// state is the state of a source in one word, loud where it is not the usual
// one: the alarm about it has the rest, which has no room in a column.
func state(s string) string {
	if word := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == ' ' }); len(word) > 1 {
		return strings.ToUpper(word[0])
	}
	return s
}

func printJails(w io.Writer, jails []control.JailStatus) {
	t := table(w)
	say(t, "JAIL\tBANS\tHOSTS\tMAXRETRY\tFINDTIME\tBANTIME\tAFTER BAN\tLATE\tIGNORED\tEVICTED\n")
	for _, j := range jails {
		name := j.Name
		if j.Holding > 0 {
			name += fmt.Sprintf(" (HOLDING %d)", j.Holding)
		}
		if j.Name == jail.Manual {
			say(t, "%s\t%d\t\t\t\t\t%d\t\t\t\n", name, j.Bans, j.AfterBan)
			continue
		}
		say(t, "%s\t%d\t%d\t%d\t%s\t%s\t%d\t%d\t%d\t%d\n", name, j.Bans, j.Hosts, j.MaxRetry, j.FindTime, j.BanTime, j.AfterBan, j.Late, j.Ignored, j.Evicted)
	}
	t.Flush()
	say(w, "\n")
}

// reasons writes counts by reason, or by rule, the most frequent first.
func reasons[N int | int64](n map[string]N) string {
	parts := slices.SortedFunc(maps.Keys(n), func(a, b string) int {
		return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b))
	})
	for i, k := range parts {
		parts[i] = fmt.Sprintf("%d %s", n[k], k)
	}
	return strings.Join(parts, ", ")
}
