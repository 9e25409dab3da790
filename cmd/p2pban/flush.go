package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/firewall"
)

const flushLong = `Remove everything p2pban has put into the firewall: every banned host can get
through at once. It needs no daemon and works when the state is damaged.

A running daemon notices and puts its bans back: stop it first, or lift its
bans with ` + "`p2pban unban --all`" + `.`

func newFlush(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "flush",
		Short:   "Remove our firewall objects; needs no daemon",
		Long:    flushLong,
		Example: "  systemctl stop p2pban && p2pban flush",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			removed, err := firewall.Flush(c.Context())
			if err != nil {
				return withFirewallHint(err)
			}
			if g.json {
				return printJSON(c.OutOrStdout(), map[string]any{"removed": append([]string{}, removed...)})
			}
			if len(removed) == 0 {
				say(c.OutOrStdout(), "there was nothing of ours in the firewall\n")
			}
			for _, r := range removed {
				say(c.OutOrStdout(), "removed %s\n", r)
			}
			return nil
		},
	}
}

func withFirewallHint(err error) error {
	if hint := firewall.Hint(err); hint != "" {
		return fmt.Errorf("%w\n%s", err, hint)
	}
	return err
}
