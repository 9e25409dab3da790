package main

import (
	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/control"
)

const banLong = `Put a host out by hand: an address, a CIDR prefix or a multiaddr. The ban stands
in the firewall and survives restarts of the daemon.

Private, own and ignored addresses are refused unless --force is given: banning
your gateway or your own login locks you out.`

func newBan(g *global) *cobra.Command {
	var r control.BanRequest
	c := &cobra.Command{
		Use:   "ban HOST|CIDR|MULTIADDR",
		Short: "Put a host out by hand",
		Long:  banLong,
		Example: `  p2pban ban 192.0.2.7
  p2pban ban 2001:db8:5::/48 --for 7d --reason "spray from this network"
  p2pban ban /ip4/192.0.2.7/tcp/4001 --for -1`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r.Target = args[0]
			bans, err := g.client().Ban(c.Context(), r)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(c.OutOrStdout(), bans)
			}
			for _, b := range bans {
				say(c.OutOrStdout(), "banned %s %s\n", b.Prefix, untilEnd(b.Until))
			}
			return nil
		},
	}
	c.Flags().StringVar(&r.For, "for", "1h", "how long: a `duration` like 10m, 1h, 7d; -1 for ever")
	c.Flags().StringVar(&r.Reason, "reason", "", "`text` kept with the ban; lists show its first 100 characters")
	c.Flags().BoolVar(&r.Force, "force", false, "ban even a private, own or ignored address")
	return c
}
