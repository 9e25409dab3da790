package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/attack"
	"github.com/p2pban/p2pban/lab/report"
	"github.com/p2pban/p2pban/lab/trial"
)

// defaultOut is where the whole run writes its report, seen from lab.
const defaultOut = "../docs/lab"

// runFlags are those of `run`.
type runFlags struct {
	choice choice
	p2pban string
	kubo   string
	keep   string
	out    string
}

func parseRun(args []string) (f runFlags, err error) {
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	for name, to := range map[string]*[]string{
		"victim": &f.choice.victims, "attack": &f.choice.attacks, "agent": &f.choice.agents,
	} {
		fs.Func(name, "only these `names`, separated by commas; see lab list", func(s string) error {
			*to = append(*to, strings.Split(s, ",")...)
			return nil
		})
	}
	fs.DurationVar(&f.choice.during, "for", 0, "how long each attack goes on at most; 0 is as the matrix has it")
	fs.StringVar(&f.p2pban, "p2pban", "", "use this `program` instead of building one")
	fs.StringVar(&f.kubo, "kubo", "", "attack Kubo as well: the path of its `program`, ipfs")
	fs.StringVar(&f.keep, "keep", "", "keep the logs of every trial in this `directory`")
	fs.StringVar(&f.out, "out", "", "write the report into this `directory`; the whole matrix goes to "+defaultOut+" by itself")
	if err := fs.Parse(args); err != nil {
		return f, err
	}
	if fs.NArg() > 0 {
		return f, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	f.choice.kubo = f.kubo != ""
	c := f.choice
	if f.out == "" && len(c.victims)+len(c.attacks)+len(c.agents) == 0 && c.during == 0 {
		f.out = defaultOut
	}
	return f, nil
}

// prepareRun builds, outside, what runMatrix needs inside.
func prepareRun(ctx context.Context, args []string) (prepared, error) {
	f, err := parseRun(args)
	if err != nil {
		return prepared{}, err
	}
	all, err := f.choice.plan()
	if err != nil {
		return prepared{}, err
	}
	var kinds []string
	for _, t := range all {
		if !slices.Contains(kinds, t.Victim) {
			kinds = append(kinds, t.Victim)
		}
	}
	fmt.Fprintf(os.Stderr, "building p2pban and the victims %s\n", strings.Join(kinds, ", "))
	return prepare(ctx, f.p2pban, f.kubo, kinds)
}

// runMatrix runs trials one after the other, says of each what came of it, and
// writes the report.
func runMatrix(ctx context.Context, args []string, p prepared) error {
	f, err := parseRun(args)
	if err != nil {
		return err
	}
	all, err := f.choice.plan()
	if err != nil {
		return err
	}
	l, err := p.lab()
	if err != nil {
		return err
	}
	l.Keep = f.keep
	whole, err := choice{}.plan()
	if err != nil {
		return err
	}
	book := report.Book{Date: time.Now().UTC(), Missing: p.Missing, Whole: len(whole)}
	for i, t := range all {
		if p.Missing[t.Victim] != "" {
			continue
		}
		r, err := l.Run(ctx, t)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			// One that fails must not cost the others.
			fmt.Fprintf(os.Stderr, "%2d/%d failed: %v\n", i+1, len(all), err)
			book.Failed = append(book.Failed, t.String())
			continue
		}
		fmt.Printf("%2d/%d %s\n", i+1, len(all), report.Line(r))
		book.Results = append(book.Results, r)
	}
	book.Took = time.Since(book.Date).Round(time.Second)
	for victim, why := range p.Missing {
		fmt.Printf("no trials on %s: %s\n", victim, why)
	}
	if f.out != "" {
		if book.Versions, err = versions(ctx, p); err != nil {
			return err
		}
		if err := book.Write(f.out); err != nil {
			return err
		}
	}
	if len(book.Failed) > 0 {
		return fmt.Errorf("%d trials failed", len(book.Failed))
	}
	return nil
}

// list explains what there is.
func list(w io.Writer) error {
	fmt.Fprintf(w, "agents (-agent): %v\n\nattacks (-attack):\n", agent.Kinds())
	for _, a := range attack.All() {
		fmt.Fprintf(w, "\n%s\n%s\n", a.Name, report.Wrap(a.Doc, "    "))
	}
	fmt.Fprintf(w, "\nvictims (-victim), and what is run on each:\n")
	for _, c := range matrix() {
		fmt.Fprintf(w, "\n%s\n", report.Chapter(trial.Trial{Victim: string(c.victim), Limits: c.limits, Logging: c.logging}))
		for _, k := range agent.Kinds() {
			if len(c.attacks[k]) > 0 {
				fmt.Fprintf(w, "    %-18s %s\n", k+":", strings.Join(c.attacks[k], ", "))
			}
		}
	}
	return nil
}
