package main

import (
	"context"
	"fmt"
	"time"

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
			warnOfDaemon(c, g)
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

// warnOfDaemon says that what was flushed comes back, if a daemon runs that
// keeps its bans there.
func warnOfDaemon(c *cobra.Command, g *global) {
	ctx, cancel := context.WithTimeout(c.Context(), daemonLook)
	defer cancel()
	s, err := g.client().Status(ctx)
	if err == nil && (s.Firewall.Backend == "nftables" || s.Firewall.Backend == "iptables") {
		say(c.ErrOrStderr(), "a daemon runs and puts its bans back at once: stop it first (`systemctl stop p2pban`), or lift its bans (`p2pban unban --all`)\n")
	}
}

// daemonLook is how long flush looks for a daemon, which it does not need.
const daemonLook = 2 * time.Second

func withFirewallHint(err error) error {
	if hint := firewall.Hint(err); hint != "" {
		return fmt.Errorf("%w\n%s", err, hint)
	}
	return err
}
