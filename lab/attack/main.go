package attack

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/multiformats/go-multiaddr"
)

// Main is the command "attack NAME [flags]", and "honest [flags]" for the
// honest peers; args begin with that word. It prints every Attempt as a line
// of JSON until the context ends, SIGTERM or SIGINT comes or the time given by
// -for is up; none of these is an error.
func Main(ctx context.Context, args []string, stdout io.Writer) error {
	a, args, err := named(args)
	if err != nil {
		return err
	}
	p, length, err := parseFlags(a, args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	if err := confined(p); err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, length)
		defer cancel()
	}
	out, failed := json.NewEncoder(stdout), error(nil)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = a.Run(ctx, p, func(t Attempt) {
		if failed == nil {
			if failed = out.Encode(t); failed != nil {
				cancel() // nobody reads any more
			}
		}
	})
	return errors.Join(err, failed)
}

// named finds the attack that the first one or two words of args name.
func named(args []string) (Attack, []string, error) {
	name := ""
	switch {
	case len(args) > 0 && args[0] == "honest":
		name, args = "honest", args[1:]
	case len(args) > 1 && args[0] == "attack":
		name, args = args[1], args[2:]
	}
	var names []string
	for _, a := range All() {
		if a.Name == name {
			return a, args, nil
		}
		names = append(names, a.Name)
	}
	return Attack{}, nil, fmt.Errorf("usage: attack NAME [flags] or honest [flags]; NAME is one of %s, not %q",
		strings.Join(names, ", "), name)
}

func parseFlags(a Attack, args []string, out io.Writer) (p Params, length time.Duration, err error) {
	fs := flag.NewFlagSet(a.Name, flag.ContinueOnError)
	fs.SetOutput(out)
	fs.Usage = func() {
		fmt.Fprintf(out, "%s: %s\n", a.Name, a.Doc)
		fs.PrintDefaults()
	}
	fs.Func("target", "a `multiaddr` of the victim, ending in /p2p/ID; give one or more", func(s string) error {
		m, err := multiaddr.NewMultiaddr(s)
		p.Targets = append(p.Targets, m)
		return err
	})
	fs.Func("relay", "the `multiaddr` of a relay the victim has a reservation at", func(s string) (err error) {
		p.Relay, err = multiaddr.NewMultiaddr(s)
		return err
	})
	fs.Func("source", "a local `address` to come from; give any number, none for the kernel's choice", func(s string) error {
		addr, err := netip.ParseAddr(s)
		p.Sources = append(p.Sources, addr)
		return err
	})
	fs.TextVar(&p.Innocent, "innocent", netip.Addr{}, "the `address` that injections name")
	fs.Float64Var(&p.Rate, "rate", 0, "attempts a second; 0 is the attack's own pace")
	fs.Int64Var(&p.Seed, "seed", 1, "what makes the attack's junk the same in each run")
	fs.DurationVar(&length, "for", 0, "how long to go on; 0 is until SIGTERM")
	if err := fs.Parse(args); err != nil {
		return p, 0, err
	}
	switch {
	case fs.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case len(p.Targets) == 0:
		err = errors.New("no -target")
	case p.Rate < 0 || length < 0:
		err = errors.New("-rate and -for must not be negative")
	}
	return p, length, err
}
