package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/agent"
	"github.com/p2pban/p2pban/internal/config"
)

const flushLong = `Remove everything p2pban has put into the firewall, and into the Kubo node and the
deny file that the configuration names: every banned host can get through at
once. It needs no daemon and works when the state is damaged.

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
			cfg, errConfig := g.load()
			removed, err := firewall.Flush(c.Context())
			switch {
			case errors.Is(err, firewall.ErrPermission) && errConfig == nil && !agent.BansInKernel(cfg):
				err = nil // whoever has no right to the kernel has no bans there
			case err != nil:
				err = withFirewallHint(err)
			}
			more, errDoors := flushDoors(c, cfg, errConfig)
			removed, err = append(removed, more...), errors.Join(err, errDoors)
			if len(removed) > 0 {
				warnOfDaemon(c, g)
			}
			if g.json {
				return errors.Join(err, printJSON(c.OutOrStdout(), map[string]any{"removed": append([]string{}, removed...)}))
			}
			if len(removed) == 0 && err == nil {
				say(c.OutOrStdout(), "there was nothing of ours in the firewall\n")
			}
			for _, r := range removed {
				say(c.OutOrStdout(), "removed %s\n", r)
			}
			return err
		},
	}
}

// flushDoors empties what the configuration names beside the kernel. One that can't
// be read must not keep anybody from flushing the kernel, but is not passed over.
func flushDoors(c *cobra.Command, cfg *config.Config, errConfig error) ([]string, error) {
	if errConfig != nil {
		return nil, fmt.Errorf("whether a Kubo node or a deny file has bans too can't be known: %w", errConfig)
	}
	removed, err := agent.FlushDoors(c.Context(), cfg)
	if err != nil {
		err = fmt.Errorf("bans stay, and nothing there ends by itself: %w\nonce that is mended, run p2pban flush again", err)
	}
	return removed, err
}

// warnOfDaemon says that what was flushed comes back, if a daemon runs that
// does more than print.
func warnOfDaemon(c *cobra.Command, g *global) {
	ctx, cancel := context.WithTimeout(c.Context(), daemonLook)
	defer cancel()
	s, err := g.client().Status(ctx)
	if err == nil && (s.Firewall.Backend != "print" || len(s.Doors) > 0) {
		say(c.ErrOrStderr(), "a daemon runs and puts its bans back: stop it first (`systemctl stop p2pban`), or lift its bans (`p2pban unban --all`)\n")
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
