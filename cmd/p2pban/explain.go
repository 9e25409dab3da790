package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/agent"
	"github.com/p2pban/p2pban/sources"
)

const explainLong = `Show how lines are read: what carried the line (syslog, Docker ...), its format,
its fields, the rule that fits and the host it accuses; or why it accuses nobody,
and at which column. One line is shown in full; of a file, or of many lines on
standard input, a tally with an example of each kind.

--conformance is for those who write nodes: it checks every canonical record in
a node's raw output against docs/canonical-log.md, names the clause that a record
violates, says what the output has not shown yet, and exits with 1 if a record
fails or there is none.

--json prints one object for each line.`

func newExplain(g *global) *cobra.Command {
	var conformance string
	c := &cobra.Command{
		Use:   "explain [LINE|FILE|-]",
		Short: "Show how a line is read, or why not",
		Long:  explainLong,
		Example: `  tail -1 node.log | p2pban explain
  p2pban explain node.log
  p2pban explain --conformance node.log
  p2pban explain 'time=2026-01-02T03:04:05.678Z level=INFO source=x.go:1 msg=CANONICAL_PEER_STATUS ...'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("conformance") {
				if len(args) > 0 {
					return usagef("--conformance takes its file itself: drop %q", args[0])
				}
				return checkConformance(g, c.InOrStdin(), c.OutOrStdout(), conformance)
			}
			cfg, err := g.load()
			if err != nil {
				return err
			}
			p, err := agent.NewParser(cfg, "")
			if err != nil {
				return err
			}
			in, err := explainInput(c, args)
			if err != nil {
				return err
			}
			e := agent.NewExplainer(p, time.Now())
			if g.json {
				return explainJSON(c.OutOrStdout(), e, in)
			}
			return explainText(c.OutOrStdout(), e, in, args)
		},
	}
	c.Flags().StringVar(&conformance, "conformance", "", "hold the records in `file` (or -) against the specification of the canonical record")
	return c
}

// explainInput is the line itself, the file of that name, or standard input: read
// as a dry run reads it, which it has to explain.
func explainInput(c *cobra.Command, args []string) (iter.Seq2[sources.Batch, error], error) {
	if len(args) == 0 || args[0] == "-" {
		if f, ok := c.InOrStdin().(*os.File); ok && len(args) == 0 && isTerminal(f) {
			return nil, usagef("give a line, a file, or lines on standard input")
		}
		return sources.ReadLog("standard input", c.InOrStdin()), nil
	}
	_, err := os.Lstat(args[0])
	switch {
	case err == nil: // why it can't be read says whoever tries
		return sources.ReadFile(args[0]), nil
	case !strings.ContainsAny(args[0], " \t={"):
		return nil, usagef("%q is no file and does not look like a log line\n%s", args[0], whereLogsAre)
	}
	return sources.ReadLog("line", strings.NewReader(args[0])), nil
}

// whereLogsAre is what to do when a log is not where it was looked for.
const whereLogsAre = "`p2pban setup` shows where the nodes on this machine log"

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// explainJSON prints one object a line, and all of them whole where the log ends
// with an error.
func explainJSON(w io.Writer, e *agent.Explainer, in iter.Seq2[sources.Batch, error]) error {
	b := bufio.NewWriter(w)
	return cmp.Or(explainEach(b, e, in), b.Flush())
}

func explainEach(w io.Writer, e *agent.Explainer, in iter.Seq2[sources.Batch, error]) error {
	for batch, err := range in {
		if err != nil {
			return err
		}
		for _, l := range batch.Lines {
			if err := printJSON(w, e.Explain(l)); err != nil {
				return err
			}
		}
	}
	return nil
}

func explainText(w io.Writer, e *agent.Explainer, in iter.Seq2[sources.Batch, error], args []string) error {
	var one agent.Explanation
	var unread error
	t := agent.NewExplainTally()
	for batch, err := range in {
		unread = err // the last thing given
		for _, l := range batch.Lines {
			one = e.Explain(l)
			t.Add(&one)
		}
	}
	switch {
	case t.Lines == 0 && unread != nil:
		return unread
	case t.Lines == 0:
		from := "standard input"
		if len(args) > 0 && args[0] != "-" {
			from = args[0]
		}
		return usagef("%s is empty: there was no line to explain\n%s", from, whereLogsAre)
	case t.Lines == 1:
		return cmp.Or(unread, printExplanation(w, &one))
	}
	return cmp.Or(unread, printTally(w, t))
}

func printExplanation(w io.Writer, x *agent.Explanation) error {
	t := table(w)
	row := func(name, value string) {
		if value != "" {
			say(t, "%s\t%s\n", name, value)
		}
	}
	row("carrier", x.Carrier)
	row("format", x.Format)
	if x.Time != nil {
		row("time", local(*x.Time))
	}
	row("logger", x.Logger)
	row("record", x.Record)
	for _, f := range x.FieldList {
		row("  "+f.Key, fmt.Sprintf("%q", f.Value))
	}
	row("rule", x.Rule)
	if x.Reject == "" {
		row("host", x.Host.String())
		row("peer", x.Peer)
		row("weight", fmt.Sprint(x.Weight))
	} else {
		row("refused", x.Reject)
		row("because", x.Detail)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if x.Column > 0 {
		showColumn(w, x.Text, x.Column)
	}
	return nil
}

// columnContext is how much of a line is shown on each side of a column.
const columnContext = 60

// showColumn points at the byte where reading failed.
func showColumn(w io.Writer, text string, column int) {
	at := min(column-1, len(text))
	from, to := max(0, at-columnContext), min(len(text), at+columnContext)
	before := printable(text[from:at])
	say(w, "column %d:\n  %s%s\n  %s^\n", column, before, text[at:to], strings.Repeat(" ", len([]rune(before))))
}

func printTally(w io.Writer, t *agent.ExplainTally) error {
	say(w, "%s\n\n", plural(t.Lines, "line"))
	for _, k := range t.Kinds() {
		what := "rule " + k.Rule
		if k.Reject != "" {
			what = "refused: " + k.Reject
			if k.Rule != "" {
				what += " (rule " + k.Rule + ")"
			}
			if k.Detail != "" {
				what += ": " + k.Detail
			}
		}
		format := k.Format
		if format == "" {
			format = "no known format"
		}
		if k.Carrier != "" {
			format += " in " + k.Carrier
		}
		say(w, "%8d  %s, %s\n          e.g. %s\n", k.Lines, format, what, clip(k.Example, 160))
	}
	for _, r := range t.Risks.Info() {
		say(w, "\nthis log can't be trusted: %s\n  close the hole: %s\n", r.Summary, r.Setting)
	}
	return nil
}

// clip shortens text for one line on a screen.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
