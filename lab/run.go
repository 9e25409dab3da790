package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/trial"
)

func runMatrix(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	a := fs.String("attack", "churn", "")
	v := fs.String("victim", "go", "")
	g := fs.String("agent", "p2pban", "")
	keep := fs.String("keep", "", "")
	p := fs.String("p2pban", "", "use this `program` instead of building one")
	d := fs.Duration("for", 30*time.Second, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "labbin")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := newLab(ctx, dir, *p)
	if err != nil {
		return err
	}
	l.Keep = *keep
	r, err := l.Run(ctx, trial.Trial{Victim: *v, Attack: *a, Agent: agent.Kind(*g), Before: 3 * time.Second, During: *d, After: 3 * time.Second})
	if err != nil {
		return err
	}
	b, _ := json.MarshalIndent(r, "", " ")
	fmt.Println(string(b))
	return nil
}

func list(w io.Writer) error { return nil }
