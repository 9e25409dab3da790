package main

import (
	"github.com/spf13/cobra"
)

const reloadLong = `Make the daemon read its configuration again. Windows, bans and positions in
the logs are kept; lifted are only the bans of a jail that is gone, and those
that ignoreip now forbids. A configuration with errors is refused as a whole,
and the old one stays in force. SIGHUP does the same.`

func newReload(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "reload",
		Short:   "Make the daemon read its configuration again",
		Long:    reloadLong,
		Example: "  p2pban check && p2pban reload",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := g.client().Reload(c.Context())
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(c.OutOrStdout(), r)
			}
			if len(r.Changes) == 0 {
				say(c.OutOrStdout(), "reloaded; nothing changed\n")
			}
			for _, s := range r.Changes {
				say(c.OutOrStdout(), "%s\n", s)
			}
			return nil
		},
	}
}
