package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/p2pban/p2pban/internal/agent"
	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/jail"
)

const dryRunLong = `Judge captured logs on the logs' own time, and print every ban and unban as it
would have been. Nothing is touched: no firewall, no daemon, no state. Several
files (gzip too) are judged as one log, in the order of their lines' times; a file
that is named twice, as by a link, is read once.

--json prints one object a line, the last a summary.`

func newDryRun(g *global) *cobra.Command {
	var jails []string
	c := &cobra.Command{
		Use:   "dry-run FILE...|-",
		Short: "Judge captured logs and touch nothing",
		Long:  dryRunLong,
		Example: `  p2pban dry-run /var/log/ipfs/ipfs.log
  journalctl -u ipfs.service -o cat | p2pban dry-run -
  p2pban dry-run --config try.toml --jail libp2p-flood node.log.1.gz node.log
  p2pban dry-run --json node.log | jq -r 'select(.action=="ban").host'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := g.load()
			if err != nil {
				return err
			}
			if err := onlyJails(cfg, jails); err != nil {
				return err
			}
			return dryRun(c, g, cfg, args)
		},
	}
	c.Flags().StringArrayVar(&jails, "jail", nil, "judge with this `jail` only (may be repeated)")
	c.RegisterFlagCompletionFunc("jail", g.completeJailFlag)
	return c
}

// onlyJails keeps the jails that are named.
func onlyJails(cfg *config.Config, names []string) error {
	if len(names) == 0 {
		return nil
	}
	var have []string
	for _, j := range cfg.Jails {
		have = append(have, j.Name)
	}
	for _, n := range names {
		if !slices.Contains(have, n) {
			return usagef("there is no jail %q; there are: %s", n, strings.Join(have, ", "))
		}
	}
	cfg.Jails = slices.DeleteFunc(cfg.Jails, func(j jail.Config) bool { return !slices.Contains(names, j.Name) })
	return nil
}

// heapFloor is how large the heap of a dry run becomes before the collector first
// runs, in bytes. A log in which little is found is read before that.
const heapFloor = 80 << 20

// outBuffer is how much is written at once, in bytes.
const outBuffer = 64 << 10

// collectLate lets the collector begin at heapFloor and then go on as always.
func collectLate() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(heapFloor)
	runtime.AddCleanup(new([2]uintptr), func(struct{}) { // runs after the first collection
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
	}, struct{}{})
}

func dryRun(c *cobra.Command, g *global, cfg *config.Config, files []string) error {
	collectLate()
	var captures []agent.Capture
	for _, f := range files {
		capture, err := agent.OpenCapture(f, c.InOrStdin(), time.Now())
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("dry-run: %w\n%s; what is in the journal comes by `journalctl -u UNIT -o cat | p2pban dry-run -`", err, whereLogsAre)
		}
		if err != nil {
			return fmt.Errorf("dry-run: %w", err)
		}
		if !slices.ContainsFunc(captures, capture.Same) { // else its lines would count twice
			captures = append(captures, capture)
		}
	}
	p, err := agent.NewParser(cfg, "")
	if err != nil {
		return err
	}
	jails, err := jail.New(cfg.Jails, jail.Options{})
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(c.OutOrStdout(), outBuffer)
	var out dryRunPrinter = &dryRunText{w: w}
	if g.json {
		out = &dryRunJSON{w: w}
	}
	emit := out.decision
	if slices.Contains(files, config.Stdin) { // somebody may be looking on
		emit = func(d jail.Decision) error { return cmp.Or(out.decision(d), w.Flush()) }
	}
	sum, err := agent.Replay(p, jails, captures, emit)
	if err == nil || sum.Lines > 0 {
		err = cmp.Or(err, out.summary(&sum, err == nil))
	}
	return cmp.Or(err, w.Flush())
}

// dryRunPrinter is how a dry run speaks: text or JSON.
type dryRunPrinter interface {
	decision(jail.Decision) error
	// summary ends a log; whole is false where it could not be read to its end.
	summary(s *agent.Summary, whole bool) error
}

type dryRunText struct {
	w      io.Writer
	headed bool
}

func (t *dryRunText) decision(d jail.Decision) error {
	if !t.headed {
		t.headed = true
		say(t.w, "%-26s  %-5s  %-24s  %-17s  %s\n", "LOG TIME", "DOES", "PREFIX", "JAIL", "WHY")
	}
	why := ""
	switch d.Action {
	case jail.Ban:
		why = fmt.Sprintf("%d failures (%s), %s", d.Failures, reasons(d.Evidence.Rules), untilEnd(endOf(d)))
	case jail.Held:
		why = fmt.Sprintf("%d failures, held back by the eclipse guard", d.Failures)
	}
	line := fmt.Sprintf("%-26s  %-5s  %-24s  %-17s  %s", local(d.At), d.Action, d.Prefix, d.Jail, why)
	_, err := say(t.w, "%s\n", strings.TrimRight(line, " "))
	return err
}

func endOf(d jail.Decision) *time.Time {
	if d.Until.IsZero() {
		return nil
	}
	return &d.Until
}

func (t *dryRunText) summary(s *agent.Summary, whole bool) error {
	if t.headed {
		say(t.w, "\n")
	}
	say(t.w, "%s read, %s from %s; %s, %s\n", plural(s.Lines, "line"), plural(s.Events, "event"), plural(s.Hosts, "host"), plural(s.Bans, "ban"), plural(s.Unbans, "unban"))
	switch {
	case !s.First.IsZero() && !s.Last.IsZero():
		say(t.w, "log time %s to %s\n", local(s.First), local(s.Last))
	case !s.First.IsZero():
		say(t.w, "log time from %s on: the last line has none\n", local(s.First))
	case !s.Last.IsZero():
		say(t.w, "log time until %s: no line at the beginning has one\n", local(s.Last))
	}
	if r := s.ByReason(); len(r) > 0 {
		say(t.w, "refused lines: %s\n", reasons(r))
	}
	if s.Held > 0 {
		say(t.w, "%s held back by the eclipse guard: so many of the hosts seen would be out that it looks like an accident\n", plural(s.Held, "ban"))
	}
	if s.Late+s.Ignored > 0 {
		say(t.w, "not counted: %d late events, %d of ignored hosts and peers\n", s.Late, s.Ignored)
	}
	for _, r := range s.Risks.Info() {
		say(t.w, "this log can't be trusted: %s; what it could forge is refused\n  close the hole: %s\n", r.Summary, r.Setting)
	}
	if !whole {
		say(t.w, "the log could not be read to its end: this is of what could be read\n")
	}
	if s.Events == 0 {
		say(t.w, "no line accuses anybody: `p2pban explain FILE` shows how the lines are read\n")
	}
	_, err := say(t.w, "nothing was touched\n")
	return err
}

// The lines of `dry-run --json`: a contract with programs.
type (
	banLine struct {
		Time     time.Time      `json:"time"`
		Action   string         `json:"action"`
		Jail     string         `json:"jail"`
		Host     netip.Addr     `json:"host"`
		Prefix   netip.Prefix   `json:"prefix"`
		Until    *time.Time     `json:"until"`
		Failures int64          `json:"failures"`
		Rules    map[string]int `json:"rules"`
	}
	unbanLine struct {
		Time   time.Time    `json:"time"`
		Action string       `json:"action"`
		Jail   string       `json:"jail"`
		Host   netip.Addr   `json:"host"`
		Prefix netip.Prefix `json:"prefix"`
	}
	summaryLine struct {
		Action   string           `json:"action"`
		Lines    int64            `json:"lines"`
		Events   int64            `json:"events"`
		Rejected map[string]int64 `json:"rejected"`
		Bans     int              `json:"bans"`
		Unbans   int              `json:"unbans"`
		Hosts    int              `json:"hosts"`
		First    *time.Time       `json:"first"`
		Last     *time.Time       `json:"last"`
		Late     int64            `json:"late,omitempty"`
		Ignored  int64            `json:"ignored,omitempty"`
		Held     int64            `json:"held,omitempty"`
		Risks    []string         `json:"risks,omitempty"`
	}
)

type dryRunJSON struct{ w io.Writer }

func (j *dryRunJSON) decision(d jail.Decision) error {
	if d.Action == jail.Unban {
		return printJSON(j.w, unbanLine{d.At, d.Action.String(), d.Jail, d.Host, d.Prefix})
	}
	return printJSON(j.w, banLine{d.At, d.Action.String(), d.Jail, d.Host, d.Prefix, endOf(d), d.Failures, d.Evidence.Rules})
}

// summary writes none of a part of a log: a program would take it for the whole.
func (j *dryRunJSON) summary(s *agent.Summary, whole bool) error {
	if !whole {
		return nil
	}
	line := summaryLine{
		Action: "summary", Lines: s.Lines, Events: s.Events, Rejected: s.ByReason(),
		Bans: s.Bans, Unbans: s.Unbans, Hosts: s.Hosts, Late: s.Late, Ignored: s.Ignored, Held: s.Held,
	}
	if !s.First.IsZero() {
		line.First = &s.First
	}
	if !s.Last.IsZero() {
		line.Last = &s.Last
	}
	for _, r := range s.Risks.Info() {
		line.Risks = append(line.Risks, r.Name)
	}
	return printJSON(j.w, line)
}
