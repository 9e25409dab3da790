// Command p2pban keeps misbehaving libp2p peers out at the firewall. Each file
// here is one command: it parses flags, calls the packages, and prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/control"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2 // bad usage or configuration
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// catchSignals ends the context of a command with the first ^C or SIGTERM, so
// that it can put things in order; the next signal kills, whatever is still
// going on. All other commands die at the first: they have nothing to put in
// order, and may be reading from where nothing ever comes.
func catchSignals(c *cobra.Command) (stop func()) {
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	c.SetContext(ctx)
	return stop
}

// run runs one command line and gives its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	out := &output{w: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	err := out.complete(root.ExecuteContext(ctx))
	if err == nil {
		return 0
	}
	printError(stderr, err)
	return exitCode(err)
}

// usageError is a command line that can't be meant.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// silentError ends with a code and without a word: all is said already.
type silentError int

func (e silentError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

func exitCode(err error) int {
	var (
		usage    usageError
		problems config.Problems
		silent   silentError
	)
	switch {
	case errors.As(err, &silent):
		return int(silent)
	case errors.As(err, &usage), errors.As(err, &problems), isUnknownCommand(err):
		return exitUsage
	}
	return exitFailed
}

// isUnknownCommand tells cobra's error about a command that there is not, which
// has no type.
func isUnknownCommand(err error) bool { return strings.HasPrefix(err.Error(), "unknown command") }

// printError says what went wrong, and on lines of their own what to do.
func printError(w io.Writer, err error) {
	var silent silentError
	if errors.As(err, &silent) {
		return
	}
	text := strings.TrimRight(err.Error(), "\n")
	if isUnknownCommand(err) { // cobra sets what it suggests apart, for pages
		text = strings.NewReplacer("\n\n", "\n", "\t", "  ").Replace(text)
	}
	var usage usageError
	if errors.As(err, &usage) || isUnknownCommand(err) {
		text += "\n`p2pban --help` and `p2pban COMMAND --help` show what there is, with examples"
	}
	say(w, "p2pban: %s\n", indent(text, "  "))
}

// global holds the flags that every command has.
type global struct {
	json   bool
	config string
	socket string
}

const rootLong = `p2pban watches the logs of libp2p nodes and keeps the hosts that misbehave out
at the firewall, as fail2ban does for sshd.

It finds the canonical log lines of go-libp2p (and what other implementations
log), takes the host from the peer's multiaddr, counts in sliding windows, and
bans in a firewall table of its own. It touches nothing else in your firewall.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration.`

const rootExample = `  sudo p2pban setup                   which nodes log here, and a configuration for them
  p2pban check                        what works, what does not, and what is risky
  p2pban dry-run node.log             whom would it ban, judged on the log's own time
  p2pban explain < node.log           how it reads the lines, and why not
  p2pban run --unit ipfs.service      watch a node's journal and ban
  p2pban status                       what is going on
  p2pban unban 192.0.2.7              let a host in again`

func newRoot() *cobra.Command {
	var g global
	root := &cobra.Command{
		Use:     "p2pban",
		Short:   "Ban misbehaving libp2p peers at the firewall",
		Long:    rootLong,
		Example: rootExample,
		// Errors are printed once, by run.
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	flags := root.PersistentFlags()
	flags.BoolVar(&g.json, "json", false, "print JSON for programs")
	flags.StringVar(&g.config, "config", "", "configuration `file` (default "+config.DefaultPath+" if it exists, else built-in defaults)")
	flags.StringVar(&g.socket, "socket", "", "control `socket` of the daemon (default "+config.DefaultSocket+")")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newRun(&g), newDryRun(&g), newExplain(&g), newCheck(&g),
		newStatus(&g), newTop(&g), newEvents(&g), newHistory(&g), newBans(&g), newBan(&g), newUnban(&g),
		newReload(&g), newFlush(&g), newSetup(&g), newCompletion(), newVersion(&g),
	)
	root.SetHelpCommand(newHelp())
	for _, c := range root.Commands() {
		if c.Args != nil {
			c.Args = usageArgs(c.Args)
		}
	}
	return root
}

// newHelp is `p2pban help COMMAND`. Cobra's own calls it a success when there is
// no such command.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Example: "  p2pban help status",
		RunE: func(c *cobra.Command, args []string) error {
			of, _, err := c.Root().Find(args)
			if err != nil {
				return usageError{err}
			}
			return of.Help()
		},
	}
}

// usageArgs makes a wrong number of arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if err != nil && isUnknownCommand(err) { // cobra's words for an argument where none is taken
			err = fmt.Errorf("takes no argument, but there is %q", args[0])
		}
		if err != nil {
			return usagef("%s: %w; usage: %s", c.Name(), err, c.UseLine())
		}
		return nil
	}
}

// completeJails offers the names of the configuration's jails to a shell.
func (g *global) completeJails(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := g.load()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, j := range cfg.Jails {
		names = append(names, j.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeJailFlag is for a --jail, whatever arguments stand before it.
func (g *global) completeJailFlag(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return g.completeJails(c, nil, "")
}

// load reads the configuration: the file named, else the usual one if it
// exists, else the defaults.
func (g *global) load() (*config.Config, error) {
	cfg, err := config.LoadOrDefault(g.config)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		return nil, err
	case errors.Is(err, fs.ErrNotExist):
		return nil, usagef("%w\n`p2pban setup --write=FILE` writes one; without --config "+config.DefaultPath+" is read if it exists, else the built-in defaults", err)
	case err != nil: // a file that can't be read is a bad configuration too
		return nil, usageError{err}
	}
	if g.socket != "" {
		cfg.Daemon.Socket = g.socket
	}
	return cfg, nil
}

// client reaches the daemon whose socket is named by the flag, else by the
// configuration, else the usual one. A configuration that can't be read must
// not keep an operator from his daemon, which runs on an older one.
func (g *global) client() *control.Client {
	socket := g.socket
	if socket == "" {
		if cfg, err := config.LoadOrDefault(g.config); err == nil {
			socket = cfg.Daemon.Socket
		} else {
			socket = config.DefaultSocket
		}
	}
	return control.NewClient(socket)
}
