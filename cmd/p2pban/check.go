package main

import (
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/agent"
	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/setup"
)

const checkLong = `Look at everything the daemon would need, and change nothing:

  - the configuration
  - the logs it names: can they be read, is anything in them recognised, and
    can strangers forge whole lines in them
  - the firewall, the state file, and whether a daemon runs
  - whether this machine has logs of nodes that the configuration does not name

Exit code 1 if anything does not work.`

func newCheck(g *global) *cobra.Command {
	var files, units []string
	c := &cobra.Command{
		Use:   "check",
		Short: "Say what works, what does not, and what is risky",
		Long:  checkLong,
		Example: `  p2pban check
  p2pban check --unit ipfs.service
  p2pban check --config new.toml
  p2pban check && p2pban reload`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			defer catchSignals(c)()
			cfg, err := g.load()
			if err == nil {
				err = addSources(cfg, files, units)
			}
			if err != nil {
				return err
			}
			findings := agent.Check(c.Context(), cfg)
			beside, err := besides(c, cfg, findings)
			if err != nil {
				return err
			}
			return printFindings(c, g, append(findings, beside...))
		},
	}
	c.Flags().StringArrayVar(&files, "file", nil, "check this log `file` or glob too (may be repeated)")
	c.Flags().StringArrayVar(&units, "unit", nil, "check this systemd `unit` too (may be repeated)")
	return c
}

// besides has setup look at the machine, and says what of it the configuration
// leaves out.
func besides(c *cobra.Command, cfg *config.Config, findings []agent.Finding) ([]agent.Finding, error) {
	report, err := setup.LookBeside(c.Context(), cfg.Ruleset, cfg.Sources, time.Now())
	if err != nil {
		return nil, err
	}
	works := func(source string) bool {
		return slices.ContainsFunc(findings, func(f agent.Finding) bool { return f.Level == agent.OK && f.About == "source "+source })
	}
	var out []agent.Finding
	for _, a := range report.Advise(report.Compare(c.Context(), cfg.Sources), works) {
		level := agent.OK
		if a.Risky {
			level = agent.Warning
		}
		out = append(out, agent.Finding{Level: level, About: "this machine", What: a.What, Fix: a.Fix})
	}
	return out, nil
}

func printFindings(c *cobra.Command, g *global, findings []agent.Finding) error {
	w := c.OutOrStdout()
	var err error
	for _, f := range findings {
		if f.Level == agent.Trouble {
			err = silentError(exitFailed)
		}
	}
	if g.json {
		if perr := printJSON(w, map[string]any{"ok": err == nil, "findings": findings}); perr != nil {
			return perr
		}
		return err
	}
	for _, f := range findings {
		say(w, "%-8s %s: %s\n", f.Level, f.About, f.What)
		if f.Fix != "" {
			say(w, "         -> %s\n", indent(f.Fix, "            "))
		}
	}
	return err
}
