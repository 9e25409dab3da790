package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/setup"
	"github.com/p2pban/p2pban/parser"
)

const setupLong = `Look for the logs of libp2p nodes on this machine and print a configuration for
them, with comments that say why each line is there. It looks at the units in the
systemd journal, at the logs of containers (Docker's json-file, pods), and at the
usual places of log files; --look adds others. It reads only the end of each log,
changes nothing, and names what it was not allowed to read.

With --from-fail2ban it translates those of fail2ban's jails that are about
libp2p instead, and says of each of their settings what became of it.

The configuration goes to standard output, everything else to standard error.
Exit code 1 if there is nothing to configure.`

const setupExample = `  sudo p2pban setup                              what is there, and a configuration for it
  sudo p2pban setup --write                      put it at ` + config.DefaultPath + `
  p2pban setup --look /srv/node/logs --write=new.toml
  p2pban setup --from-fail2ban                   of /etc/fail2ban
  p2pban check --config new.toml                 what is wrong with it`

// setupFlags are the flags of the command.
type setupFlags struct {
	look         []string
	write        string
	force        bool
	fromFail2ban string
}

func newSetup(g *global) *cobra.Command {
	var f setupFlags
	c := &cobra.Command{
		Use:     "setup",
		Short:   "Find the logs of nodes, and write a configuration for them",
		Long:    setupLong,
		Example: setupExample,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			defer catchSignals(c)()
			if err := f.argument(c, args); err != nil {
				return err
			}
			if c.Flags().Changed("from-fail2ban") {
				return f.takeOver(c, g)
			}
			return f.lookAround(c, g)
		},
	}
	flags := c.Flags()
	flags.StringArrayVar(&f.look, "look", nil, "look at this `path` too: a log, a glob, a directory of logs or of journal files, Docker's data directory (may be repeated)")
	flags.StringVar(&f.write, "write", "", "write the configuration to this `path`, by default the one of --config, else "+config.DefaultPath)
	flags.BoolVar(&f.force, "force", false, "let --write replace a file")
	flags.StringVar(&f.fromFail2ban, "from-fail2ban", "", "take over fail2ban's configuration in this `directory`, by default "+setup.Fail2banDir)
	flags.Lookup("write").NoOptDefVal = config.DefaultPath
	flags.Lookup("from-fail2ban").NoOptDefVal = setup.Fail2banDir
	return c
}

// argument gives the value of a flag that stands behind it without "=".
func (f *setupFlags) argument(c *cobra.Command, args []string) error {
	write := c.Flags().Changed("write") && f.write == config.DefaultPath
	from := c.Flags().Changed("from-fail2ban") && f.fromFail2ban == setup.Fail2banDir
	switch {
	case len(args) == 1 && write == from:
		return usagef("setup: what is %q? Write --look=PATH, --write=PATH or --from-fail2ban=DIRECTORY", args[0])
	case len(args) == 1 && write:
		f.write = args[0]
	case len(args) == 1:
		f.fromFail2ban = args[0]
	}
	return nil
}

func (f *setupFlags) lookAround(c *cobra.Command, g *global) error {
	cfg, err := g.load()
	rules := parser.Builtin()
	if err == nil {
		rules = cfg.Ruleset // with the operator's own
	}
	now := time.Now()
	report, err := setup.Look(c.Context(), setup.Options{Look: f.look, Ruleset: rules, Now: now})
	if err != nil {
		return err
	}
	printLook(c.ErrOrStderr(), g, report)
	return f.finish(c, g, report.Configuration(rules, now), map[string]any{
		"found": report.Found, "looked_at": report.Looked, "not_looked_at": report.Unseen})
}

// finish gives the configuration to whoever wants it.
func (f *setupFlags) finish(c *cobra.Command, g *global, text string, out map[string]any) error {
	var err error
	if text == "" {
		err = silentError(exitFailed)
	} else if c.Flags().Changed("write") {
		path := f.write
		if path == config.DefaultPath && g.config != "" {
			path = g.config
		}
		if err := setup.Write(path, text, f.force); err != nil {
			return err
		}
		out["written"] = path
		if !g.json {
			say(c.ErrOrStderr(), "\nwrote %s; next: p2pban check --config %[1]s\n", path)
		}
	} else if err := setup.Validate(text); err != nil {
		return fmt.Errorf("the configuration would not load: %w", err)
	} else if !g.json {
		say(c.OutOrStdout(), "%s", indent(text, ""))
	}
	if g.json {
		out["configuration"] = text
		if err := printJSON(c.OutOrStdout(), out); err != nil {
			return err
		}
	}
	return err
}

// printLook tells people what was found.
func printLook(w io.Writer, g *global, r *setup.Report) {
	if g.json {
		return
	}
	if len(r.Found) == 0 {
		say(w, "no log of a libp2p node found\n  looked at: %s\n  --look PATH looks elsewhere; does the node log at all, and what the rules look for? `p2pban explain FILE` shows how its lines are read\n",
			strings.Join(r.Looked, ", "))
	}
	for _, f := range r.Found {
		printFound(w, f)
	}
	for _, u := range r.Unseen {
		say(w, "could not look at %s: %s\n", u.What, indent(u.Why, "  "))
	}
	if len(r.Unseen) > 0 && os.Geteuid() != 0 {
		say(w, "root can look at more: sudo p2pban setup\n")
	}
}

func printFound(w io.Writer, f setup.Found) {
	say(w, "%s\n", f.Headline())
	if f.Source != "" {
		say(w, "  in the configuration as source %s\n", f.Source)
	}
	for _, m := range f.Missing {
		say(w, "  set on the node: %s\n", m)
	}
	for _, r := range f.Risks {
		say(w, "  risk: %s\n    close it: %s\n", r.Summary, r.Setting)
	}
	for _, n := range f.Notes {
		say(w, "  note: %s\n", n)
	}
}

// takeOver is setup --from-fail2ban.
func (f *setupFlags) takeOver(c *cobra.Command, g *global) error {
	if len(f.look) > 0 {
		return usagef("setup: --look and --from-fail2ban are two ways to a configuration: use one")
	}
	m, err := setup.FromFail2ban(f.fromFail2ban, parser.Builtin(), time.Now())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w\nname the directory that holds them: --from-fail2ban=/etc/fail2ban is the usual one", err)
	}
	if err != nil {
		return err
	}
	if !g.json {
		printMigration(c.ErrOrStderr(), f.fromFail2ban, m)
	}
	return f.finish(c, g, m.Configuration, map[string]any{
		"read": m.Read, "jails": m.Jails, "left_to_fail2ban": m.Left, "notes": m.Notes})
}

func printMigration(w io.Writer, dir string, m *setup.Migration) {
	if len(m.Jails) == 0 {
		say(w, "no jail in %s is about a libp2p node; `p2pban setup` looks for nodes itself\n", dir)
	}
	for _, j := range m.Jails {
		say(w, "jail %s\n", j.Name)
		if !j.Enabled {
			say(w, "  not taken over: it is not enabled\n")
		}
		for _, i := range j.Items {
			printItem(w, i)
		}
	}
	if len(m.Left) > 0 {
		say(w, "left to fail2ban: %s\n", strings.Join(m.Left, ", "))
	}
	for _, n := range m.Notes {
		say(w, "note: %s\n", n)
	}
}

func printItem(w io.Writer, i setup.Item) {
	text := i.Setting
	if i.Value != "" {
		text += " = " + i.Value
	}
	if i.Where != "" {
		text = i.Where + ": " + text
	}
	say(w, "  %-8s %s\n", i.What, text)
	if i.Became != "" {
		say(w, "           now  %s\n", indent(i.Became, "                "))
	}
	if i.Why != "" {
		say(w, "           for  %s\n", i.Why)
	}
}
