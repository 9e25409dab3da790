package main

import (
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/agent"
	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/journallog"
)

const runLong = `Run the daemon in the foreground: follow the logs, judge, and keep the bans in
the firewall. Without a configuration file the built-in jails serve, and --file
or --unit says what to watch.

It needs to read the logs and to change the firewall: run it as root, or with
CAP_NET_ADMIN and the groups that may read the logs. Bans stay in the firewall
when it stops and are put back when it starts. SIGHUP reloads.`

func newRun(g *global) *cobra.Command {
	var files, units []string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Long:  runLong,
		Example: `  p2pban run --unit ipfs.service
  p2pban run --file '/var/log/ipfs/*.log'
  ipfs daemon 2>&1 | p2pban run --file -
  p2pban run --config /etc/p2pban/p2pban.toml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			defer catchSignals(c)()
			load := func() (*config.Config, error) {
				cfg, err := g.load()
				if err == nil {
					err = addSources(cfg, files, units)
				}
				return cfg, err
			}
			cfg, err := load()
			if err != nil {
				return err
			}
			if len(cfg.Sources) == 0 {
				return usagef("there is no log to watch: name one with --file or --unit, or as [source.NAME] in the configuration; `p2pban setup` looks for it")
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			log := newLog(c.ErrOrStderr(), g.json)
			for _, w := range cfg.Warnings {
				log.Warn(w.Error())
			}
			return agent.Run(c.Context(), agent.Options{
				Config: cfg, Load: load, Reload: hup, Log: log, Out: c.OutOrStdout(), Version: readVersion().Version,
			})
		},
	}
	c.Flags().StringArrayVar(&files, "file", nil, "follow this log `file` or glob too, or standard input if it is - (may be repeated)")
	c.Flags().StringArrayVar(&units, "unit", nil, "follow this systemd `unit` in the journal too (may be repeated)")
	return c
}

// addSources adds the sources named by flags to those of the configuration.
func addSources(cfg *config.Config, files, units []string) error {
	if slices.Contains(files, "") || slices.Contains(units, "") {
		return usagef("--file or --unit is empty: is a variable not set? name the log to watch")
	}
	for _, f := range files {
		if f == config.Stdin {
			if err := addSource(cfg, config.Source{Name: "stdin", Files: []string{f}}); err != nil {
				return err
			}
			continue
		}
		path, err := filepath.Abs(f)
		if err != nil {
			return err
		}
		if err := addSource(cfg, config.Source{Name: sourceName(filepath.Base(path)), Files: []string{path}}); err != nil {
			return err
		}
	}
	for _, u := range units {
		if err := addSource(cfg, config.Source{Name: sourceName(u), Units: []string{u}}); err != nil {
			return err
		}
	}
	return nil
}

func addSource(cfg *config.Config, s config.Source) error {
	for _, old := range cfg.Sources {
		if old.Name == s.Name {
			return usagef("there are two sources called %q: name the second in a configuration file, as [source.OTHERNAME]", s.Name)
		}
	}
	cfg.Sources = append(cfg.Sources, s)
	return nil
}

// sourceName makes a name that the configuration would take.
func sourceName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, s)
}

// newLog is the daemon's own log: as fields in the journal where systemd leads
// standard error there, else as text with a time.
func newLog(w io.Writer, json bool) *slog.Logger {
	if json {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	text := slog.NewTextHandler(w, nil)
	if w == os.Stderr && journallog.Wanted() {
		return slog.New(journallog.New(slog.LevelInfo, text))
	}
	return slog.New(text)
}
