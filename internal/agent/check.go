package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// Bounds of a check: it looks at what was logged last.
const (
	checkBytes   = 32 << 20         // of each file
	checkSince   = 24 * time.Hour   // of a journal
	checkTimeout = 10 * time.Second // for one journal or container
)

// Level is how bad a finding is.
type Level string

// The levels: a warning works but is risky, a problem does not work.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Trouble Level = "problem"
)

// Finding is one thing a check looked at.
type Finding struct {
	Level Level  `json:"level"`
	About string `json:"about"` // "source kubo", "firewall"
	What  string `json:"what"`
	Fix   string `json:"fix,omitempty"`
}

// Check looks at everything the daemon would need. It changes nothing.
func Check(ctx context.Context, cfg *config.Config) []Finding {
	c := &checker{cfg: cfg, service: findService(ctx, cfg)}
	c.config()
	for _, s := range cfg.Sources {
		c.source(ctx, s)
	}
	c.shared()
	c.firewall(ctx)
	c.state()
	c.daemon(ctx)
	return c.findings
}

type checker struct {
	cfg      *config.Config
	service  *service // nil where it reads what the check does
	findings []Finding
}

func (c *checker) add(l Level, about, what, fix string) {
	c.findings = append(c.findings, Finding{l, about, what, fix})
}

func (c *checker) config() {
	names := make([]string, len(c.cfg.Jails))
	for i, j := range c.cfg.Jails {
		names[i] = j.Name
	}
	from := "built-in defaults"
	if c.cfg.Path != "" {
		from = strings.Join(c.cfg.Files, ", ")
	}
	c.add(OK, "configuration", fmt.Sprintf("%s: jails %s", from, strings.Join(names, ", ")), "")
	for _, w := range c.cfg.Warnings {
		c.add(Warning, "configuration", w.Error(), "")
	}
	if len(c.cfg.Sources) == 0 {
		c.add(Trouble, "configuration", "there is no log to watch", `add [source.NAME] with unit = "ipfs.service" or file = "/var/log/ipfs/*.log", or run with --unit or --file; `+"`p2pban setup` finds the log and writes that")
	}
}

// source reads what was logged last and says what became of it.
func (c *checker) source(ctx context.Context, spec config.Source) {
	about := "source " + spec.Name
	p, err := NewParser(c.cfg, spec.Format)
	if err != nil {
		c.add(Trouble, about, err.Error(), "")
		return
	}
	r := &reader{parser: p, trust: spec.Trust, unreadable: map[string]int64{}}
	switch {
	case slices.Equal(spec.Files, []string{config.Stdin}):
		c.add(Warning, about, "standard input can't be looked at beforehand", "`p2pban explain -` shows how a sample of it is read")
		return
	case len(spec.Files) > 0:
		c.files(ctx, about, spec, r)
	case len(spec.Containers)+len(spec.Labels) > 0:
		if !c.containers(ctx, about, spec, r) {
			return
		}
	default:
		if !c.units(ctx, about, spec, r) {
			return
		}
	}
	c.seen(about, spec, r)
}

// files reads the end of every file.
func (c *checker) files(ctx context.Context, about string, spec config.Source, r *reader) {
	for _, pattern := range spec.Files {
		if log := everybodys(pattern); log != "" && !spec.Trust {
			c.add(Warning, about, "every user of this machine can write lines into "+log+", by logger(1), and have anybody banned; so can whoever gets another program to log his words there",
				"read the node's journal unit (unit = …), or have the node or the syslog daemon write a file of its own")
		}
		paths, err := sources.FindFiles(pattern)
		switch {
		case err != nil:
			c.add(Trouble, about, err.Error(), "give the daemon the right to look there, for example by the group that owns it")
		case len(paths) == 0:
			c.add(Warning, about, "no file "+pattern+" yet", "it is waited for; is this where the node logs?")
		}
		for _, path := range paths {
			switch err := readEnd(ctx, path, r); {
			case errors.Is(err, fs.ErrPermission):
				c.add(Trouble, about, err.Error(), "give the daemon the right to read it, for example by the group that owns it")
			case err != nil:
				c.add(Trouble, about, err.Error(), "")
			}
		}
		c.serviceReads(ctx, about, spec, paths)
	}
}

// everybodys gives one of the logs that every user can write into, if a pattern takes
// it in; empty if not. A source of the journal for which that holds is refused.
func everybodys(pattern string) string {
	for _, log := range sources.SyslogFiles {
		if ok, _ := filepath.Match(pattern, log); ok {
			return log
		}
	}
	return ""
}

// readEnd reads the last checkBytes of a file, which the node's user may have
// put anything in place of.
func readEnd(ctx context.Context, path string, r *reader) error {
	f, err := config.OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	skipFirst := false
	if over := info.Size() - checkBytes; over > 0 {
		if _, err := f.Seek(over, io.SeekStart); err != nil {
			return err
		}
		skipFirst = true
	}
	r.last = info.ModTime()
	for b, err := range sources.Read(path, io.LimitReader(f, checkBytes)) {
		if err != nil {
			return err
		}
		for _, l := range b.Lines {
			if skipFirst { // it begins anywhere
				skipFirst = false
				continue
			}
			r.read(l, time.Time{})
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// units reads what the journal holds of the last day; false when it can't.
func (c *checker) units(ctx context.Context, about string, spec config.Source, r *reader) bool {
	for _, u := range spec.Units {
		// What else keeps it from looking also keeps it from reading, and is told there.
		var unknown *sources.UnknownUnitError
		if err := sources.CheckUnit(ctx, u, spec.Directory); errors.As(err, &unknown) {
			c.add(Trouble, about, err.Error(), "`systemctl list-units --type=service` shows what there is")
		}
	}
	c.journalLimit(ctx, about, spec)
	o := journalOptions(spec)
	o.Since = time.Now().Add(-checkSince)
	j, err := sources.NewJournal(o)
	if err == nil {
		err = readQuiet(ctx, j, r)
	}
	if err != nil {
		c.add(Trouble, about, err.Error(), "")
		return false
	}
	return true
}

// readQuiet reads until a source has nothing more to give. Its first batch says
// that it has looked: until then it is slow to open, which is not quiet.
func readQuiet(ctx context.Context, src interface {
	sources.Source
	sources.Reporter
}, r *reader) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	out := make(chan sources.Batch, queueBatches)
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, out) }()
	quiet := time.NewTimer(quietAfter)
	defer quiet.Stop()
	looked := false
	for {
		select {
		case b := <-out:
			looked = true
			for l := range b.All() {
				r.read(l, time.Time{})
			}
			b.Release()
			quiet.Reset(quietAfter)
		case <-quiet.C:
			if looked || len(src.Stats().Problems) > 0 {
				cancel()
			} else {
				quiet.Reset(quietAfter)
			}
		case err := <-ended:
			if err != nil && ctx.Err() == nil {
				return err
			}
			return nil
		}
	}
}

// seen says what was found in a source's lines.
func (c *checker) seen(about string, spec config.Source, r *reader) {
	t := &r.tally
	for _, risk := range r.risks.Info() {
		level, then := Trouble, "its events are refused until the hole is closed, or trust = true is set for the source"
		if spec.Trust {
			level, then = Warning, "trust = true believes it all the same"
		}
		c.add(level, about, "this stream can't be trusted: "+risk.Summary+"; "+then, "close the hole: "+risk.Setting)
	}
	switch rejected := t.ByReason(); {
	case t.Lines == 0:
		if !slices.ContainsFunc(c.findings, func(f Finding) bool { return f.About == about }) { // which says why
			c.add(Warning, about, "has no lines to look at yet", "a quiet node has none; is this where it logs?")
		}
	case c.unreadable(about, r):
	case t.Events == 0 && t.Rejected[parser.Private] > 0 && 100*t.Rejected[parser.Private] >= nearlyAll*(t.Lines-t.Rejected[parser.Unrecognised]):
		c.add(Warning, about, fmt.Sprintf("none of %d lines accuses anybody whom p2pban would ban: %d name private addresses", t.Lines, t.Rejected[parser.Private]), publicAddresses)
	case t.Events == 0 && len(rejected) == 0:
		c.add(Warning, about, fmt.Sprintf("none of %d lines is one that the jails look for", t.Lines), c.settings())
	case t.Events == 0:
		c.add(Warning, about, fmt.Sprintf("none of %d lines accuses anybody%s", t.Lines, listed(rejected)), "`p2pban explain FILE` shows how its lines are read")
	default:
		c.add(OK, about, fmt.Sprintf("%d of %d lines are events%s", t.Events, t.Lines, listed(rejected)), "")
	}
}

// nearlyAll is the share, in percent, of the lines that could be records from
// which on those that can't be read say that the log is not what the node wrote.
const nearlyAll = 90

// unreadable says so when nearly all records of a source can't be read, and why.
// A stranger who can write into the log at all can make it say so; then he is
// named as the reason.
func (c *checker) unreadable(about string, r *reader) bool {
	bad := r.tally.Rejected[parser.Forged] + r.tally.Rejected[parser.Malformed]
	all := r.tally.Lines - r.tally.Rejected[parser.Unrecognised]
	if bad == 0 || 100*bad < nearlyAll*all {
		return false
	}
	most := slices.MaxFunc(slices.Sorted(maps.Keys(r.unreadable)), func(a, b string) int {
		return cmp.Compare(r.unreadable[a], r.unreadable[b])
	})
	level := Warning
	if r.tabsLost > 0 { // which nobody does who wants to be believed
		level = Trouble
	}
	c.add(level, about, fmt.Sprintf("%d of its %d lines with something that a rule looks for can't be read, %d of them because: %s", bad, all, r.unreadable[most], most),
		"nobody is banned for such lines; `p2pban explain FILE` shows one of each kind")
	return true
}

func listed(rejected map[string]int64) string {
	if len(rejected) == 0 {
		return ""
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(rejected)) {
		parts = append(parts, fmt.Sprintf("%d %s", rejected[reason], reason))
	}
	return "; refused: " + strings.Join(parts, ", ")
}

// settings says what makes a node log what the jails look for.
func (c *checker) settings() string {
	var out []string
	for _, j := range c.cfg.Jails {
		for _, name := range j.Rules {
			r := c.cfg.Ruleset.Lookup(name)
			line := r.Implementation + ": " + r.Setting
			if !slices.Contains(out, line) {
				out = append(out, line)
			}
		}
	}
	return "on the node set\n" + strings.Join(out, "\n") + "\n`p2pban explain FILE` shows how its lines are read"
}

// cannotWrite says why the state file can't be written: another user, as whom the
// daemon may run, might, but nobody on a file system that is mounted read-only.
func (c *checker) cannotWrite(path string, err error) {
	level, who := Warning, " by this user"
	if errors.Is(err, unix.EROFS) {
		level, who = Trouble, ", and the daemon does not start"
	}
	c.add(level, "state", fmt.Sprintf("%s can't be written%s: %v", path, who, err), stateCure(err, path)+", or set state in [daemon]")
}

// state looks whether the state file can be read and could be written, without
// making it.
func (c *checker) state() {
	path := c.cfg.Daemon.State
	dir := filepath.Dir(path)
	for errIsMissing(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	if err := access(dir); err != nil {
		c.cannotWrite(path, err)
		return
	}
	var damaged *state.DamagedError
	switch err := state.Check(path); {
	case err == nil:
		c.add(OK, "state", path, "")
	case errors.As(err, &damaged) && !damaged.Foreign:
		c.add(Warning, "state", strings.TrimPrefix(err.Error(), "state: "), "the daemon will set it aside and begin with what it can still read of it: put a whole copy there first if you have one")
	default:
		c.add(Trouble, "state", strings.TrimPrefix(err.Error(), "state: "), "the daemon does not start with it; [daemon] state can name another file")
	}
}

func errIsMissing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// access gives what keeps this process from making files in dir, nil if nothing does.
func access(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }

func (c *checker) daemon(ctx context.Context) {
	s, err := control.NewClient(c.cfg.Daemon.Socket).Status(ctx)
	var e *control.Error
	switch {
	case err == nil:
		c.alarms(s)
		if s.Firewall.Backend == "nftables" {
			c.liveTable(ctx)
		}
	case errors.As(err, &e):
		c.add(Warning, "daemon", e.What, e.Hint)
	default:
		c.add(Warning, "daemon", err.Error(), "")
	}
}

// alarms says that the daemon runs, and what it needs a person for.
func (c *checker) alarms(s *control.Status) {
	c.add(OK, "daemon", "runs since "+s.Now.Add(-s.Up()).Local().Format("2006-01-02 15:04:05 -07:00"), "")
	for _, a := range s.Alarms {
		c.add(Warning, "daemon", "alarm: "+a.What, a.Fix)
	}
}
