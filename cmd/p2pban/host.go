package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/control"
)

// statusOf shows one jail, or what is known of one host.
func statusOf(g *global, c *cobra.Command, name string) error {
	if strings.ContainsAny(name, ".:/") {
		known, err := g.client().Host(c.Context(), name)
		if err != nil {
			return err
		}
		if g.json {
			return printJSON(c.OutOrStdout(), known)
		}
		return printHost(c.OutOrStdout(), name, known)
	}
	j, err := g.client().Jail(c.Context(), name)
	if err != nil {
		return err
	}
	if g.json {
		return printJSON(c.OutOrStdout(), j)
	}
	return printJail(c.OutOrStdout(), j)
}

func printJail(w io.Writer, j *control.JailDetail) error {
	printJails(w, []control.JailStatus{j.JailStatus})
	if len(j.Rules) > 0 {
		say(w, "rules: %s\n", strings.Join(j.Rules, ", "))
	}
	if j.Holding == 0 {
		return nil
	}
	say(w, "\nthe eclipse guard holds %s back; it would ban\n", plural(j.Holding, "ban"))
	t := table(w)
	for _, b := range j.WouldBan {
		say(t, "  %s\t%d failures\t%s\n", b.Prefix, b.Failures, shortWhy(b))
	}
	return t.Flush()
}

func printHost(w io.Writer, name string, known []control.HostStatus) error {
	if len(known) == 0 {
		say(w, "no jail knows %s: it is not banned and has no failures in any window\n", name)
	}
	for _, h := range known {
		say(w, "%s in jail %s: ", h.Prefix, h.Jail)
		switch {
		case h.Ban != nil:
			say(w, "BANNED")
			if h.Ban.Prefix != h.Prefix {
				say(w, " with %s", h.Ban.Prefix) // what to unban
			}
			say(w, " since %s %s", local(h.Ban.Time), untilEnd(h.Ban.Until))
		case h.Held:
			say(w, "would be banned, but the eclipse guard holds it back")
		default:
			say(w, "%d failures, banned at %d", h.Failures, h.Allowed)
		}
		if h.EarlierBans > 0 {
			say(w, "; %s counted towards the length of the next", plural(h.EarlierBans, "ban"))
		}
		say(w, "\n")
		if h.Ban != nil {
			printEvidence(w, h.Ban)
		} else if h.Window != nil {
			printEvidence(w, h.Window)
		}
	}
	return nil
}

// printEvidence shows what a ban or a window rests on.
func printEvidence(w io.Writer, b *control.Ban) {
	t := table(w)
	row := func(name, value string) {
		if value != "" {
			say(t, "  %s\t%s\n", name, value)
		}
	}
	row("why", why(*b))
	if b.First != nil && b.Last != nil {
		row("lines from", local(*b.First)+" to "+local(*b.Last))
	}
	if b.PeerCount > 0 {
		row("peers", fmt.Sprintf("%d: %s", b.PeerCount, strings.Join(b.Peers, " ")))
	}
	row("transports", strings.Join(b.Transports, ", "))
	if len(b.Ports) > 0 {
		row("ports", strings.Trim(fmt.Sprint(b.Ports), "[]"))
	}
	row("deciding line", clip(b.Line, 300))
	t.Flush()
}
