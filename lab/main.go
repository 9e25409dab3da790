// Command lab sets a real libp2p node under real attacks, beside honest peers
// and with or without a ban agent, in network namespaces of its own, and
// measures what comes of it.
//
//	go run . run                                        the whole matrix; writes ../docs/lab
//	go run . run -victim go -attack churn -for 20s      a part of it; prints only
//	go run . list                                       what there is
//	go run . write                                      the page again, from the results
//	go run . session                                    what an operator sees, as docs/lab/session.svg
//
// It needs nft (nftables) and, for the comparison, fail2ban; root or a kernel
// that allows user namespaces.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/p2pban/p2pban/internal/netnstest"
	"github.com/p2pban/p2pban/lab/attack"
	"github.com/p2pban/p2pban/lab/report"
	"github.com/p2pban/p2pban/lab/world"
)

const usage = `usage: lab run [flags]      attack a node in every way, with each ban agent; the report goes to ../docs/lab
       lab list             say which nodes, attacks and agents there are
       lab write            write the report again, from its results
       lab session [flags]  show what an operator sees, as ../docs/lab/session.svg
-h after run and session shows their flags. Started by these, inside the namespaces:
       lab attack NAME [flags] | honest [flags] | relay MULTIADDR | kubo IPFS [flags]
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	switch os.Args[1] {
	case "-h", "-help", "--help", "help":
		fmt.Print(usage)
		return
	case "run", "session":
		os.Exit(enter())
	}
	os.Exit(inside{}.Run())
}

// enter builds what a run needs, and starts this program again in a namespace
// in which it may make others; started so, it goes on.
func enter() int {
	if _, ok, _ := receive(); ok {
		return netnstest.Main(inside{})
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var p prepared
	var err error
	if os.Args[1] == "run" {
		p, err = prepareRun(ctx, os.Args[2:])
	} else {
		p, err = prepareSession(ctx, os.Args[2:])
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err == nil:
		err = p.hand()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	return netnstest.Main(inside{})
}

// inside is the program proper.
type inside struct{}

func (inside) Run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	return 0
}

func command(ctx context.Context, args []string) error {
	switch args[0] {
	case "run", "session":
		p, _, err := receive()
		if err != nil {
			return err
		}
		if args[0] == "run" {
			return runMatrix(ctx, args[1:], p)
		}
		return recordSession(ctx, args[1:], p)
	case "write":
		return report.Rewrite(defaultOut)
	case "list":
		return list(os.Stdout)
	case "attack", "honest":
		return attack.Main(ctx, args, os.Stdout)
	case "relay":
		if len(args) != 2 {
			return fmt.Errorf("relay wants the multiaddr to listen on")
		}
		return world.RunRelay(ctx, args[1], os.Stdout)
	case "kubo":
		return kubo(ctx, args[1:], os.Stdout)
	}
	return fmt.Errorf("there is no %q\n%s", args[0], usage)
}
