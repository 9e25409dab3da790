package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// Comparison holds what a look found against what a configuration watches.
type Comparison struct {
	// Unwatched are logs of nodes that no source reads, Watched those that one
	// reads.
	Unwatched, Watched []Found
	// Idle are the names of sources that read no log in which a node was found.
	Idle []string
}

// Compare holds what was found against the sources of a configuration. Logs
// that would be no source of their own, for their lines are in another one or
// no rule reads them, are left out.
func (r *Report) Compare(ctx context.Context, watched []config.Source) Comparison {
	reads := make([]reading, len(watched))
	for i, s := range watched {
		reads[i] = readingOf(s)
	}
	syslog := slices.ContainsFunc(reads, func(r reading) bool { return r.syslog(sources.SyslogFiles) })
	var c Comparison
	used := map[string]bool{}
	for _, f := range r.Found {
		read := false
		for i, s := range reads {
			if s.reads(ctx, f) {
				read, used[watched[i].Name] = true, true
			}
		}
		switch {
		case read:
			c.Watched = append(c.Watched, f)
		case f.Source != "" && !(f.Kind == KindUnit && syslog):
			c.Unwatched = append(c.Unwatched, f)
		}
	}
	for _, s := range watched {
		if !used[s.Name] {
			c.Idle = append(c.Idle, s.Name)
		}
	}
	return c
}

// LookBeside is Look for a machine with a configuration: besides the usual
// places it looks where the sources are said to be. It takes lookBeside at most.
func LookBeside(ctx context.Context, rs *parser.Ruleset, watched []config.Source, now time.Time) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, lookBeside)
	defer cancel()
	o := Options{Ruleset: rs, Now: now}
	for _, s := range watched {
		for _, f := range s.Files {
			if filepath.IsAbs(f) { // not standard input
				o.Look = append(o.Look, f)
			}
		}
		if s.Directory != "" && !slices.Contains(o.Look, s.Directory) {
			o.Look = append(o.Look, s.Directory)
		}
	}
	r, err := Look(ctx, o)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // what there was no time for is Unseen
	}
	return r, err
}

const lookBeside = 20 * time.Second

// Advice is what a comparison means for the operator.
type Advice struct {
	Risky     bool
	What, Fix string
}

// Advise says which logs go unwatched, and which sources may be meant for them.
// A source that is known to work is never doubted.
func (r *Report) Advise(c Comparison, works func(source string) bool) []Advice {
	var out []Advice
	var names []string
	for _, f := range c.Unwatched {
		names = append(names, f.place())
		out = append(out, Advice{true, "no source reads the " + f.Headline(), "if it is to be judged, add\n" + snippet(f) + "\n`p2pban setup` writes it, with the reasons"})
	}
	for _, s := range c.Idle {
		if len(names) > 0 && !works(s) {
			out = append(out, Advice{true, "source " + s + " reads no log in which a node is recognised", "is one of these meant? " + strings.Join(names, ", ")})
		}
	}
	if len(out) == 0 {
		what := "no log of a node was found besides those that are read"
		if n := len(r.Unseen); n > 0 {
			what += fmt.Sprintf(", as far as could be seen: places that could not be looked at: %d, the first %s: %s", n, r.Unseen[0].What, r.Unseen[0].Why)
		}
		out = append(out, Advice{What: what})
	}
	return out
}

// snippet is the source for a log, without a reason.
func snippet(f Found) string {
	d := &draft{}
	d.source(f)
	t := d.tables[0]
	lines := []string{"[" + t.name + "]"}
	for _, s := range t.settings {
		lines = append(lines, s.key+" = "+s.value)
	}
	return strings.Join(lines, "\n")
}

// reading is what a source reads now.
type reading struct {
	config.Source
	files []os.FileInfo
}

func readingOf(s config.Source) reading {
	r := reading{Source: s}
	if len(s.Containers)+len(s.Labels) > 0 {
		// What can't be found the check of the source itself tells.
		paths, _ := sources.FindContainers(sources.ContainerOptions{Containers: s.Containers, Labels: s.Labels})
		r.files = infos(paths)
	}
	r.files = append(r.files, infos(expand(s.Files))...)
	return r
}

// expand gives the files that globs stand for; a file whose very name looks
// like a glob is meant literally, as by the source.
func expand(globs []string) []string {
	var paths []string
	for _, g := range globs {
		if fileExists(g) {
			paths = append(paths, g)
			continue
		}
		found, _ := filepath.Glob(g) // the configuration's are well formed
		paths = append(paths, found...)
	}
	return paths
}

func infos(paths []string) []os.FileInfo {
	var out []os.FileInfo
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil {
			out = append(out, info)
		}
	}
	return out
}

// reads tells whether the source reads the log that was found.
func (r reading) reads(ctx context.Context, f Found) bool {
	if len(f.Files) > 0 {
		return slices.ContainsFunc(infos(expand(f.Files)), func(a os.FileInfo) bool {
			return slices.ContainsFunc(r.files, func(b os.FileInfo) bool { return os.SameFile(a, b) })
		})
	}
	if len(r.Units)+len(r.UserUnits)+len(r.Matches) == 0 || filepath.Clean(r.Directory) != filepath.Clean(f.Directory) {
		return false
	}
	switch f.Kind {
	case KindUnit:
		return r.readsField(ctx, f, "_SYSTEMD_UNIT", unitFields("", r.Units))
	case KindUserUnit:
		return r.readsField(ctx, f, "_SYSTEMD_USER_UNIT", unitFields("", r.UserUnits))
	}
	return r.readsField(ctx, f, "CONTAINER_NAME", nil)
}

// readsField tells whether the source reads entries whose field is f's name:
// units are those of that very field that it names. Whether its other terms let
// any of these entries through is the journal's to say.
func (r reading) readsField(ctx context.Context, f Found, field string, units []string) bool {
	var terms []string
	switch named := len(r.Units)+len(r.UserUnits) > 0; {
	case named && field == "CONTAINER_NAME":
		terms = unitFields("_SYSTEMD_UNIT=", r.Units)
		if len(terms) == 0 {
			return false
		}
	case named && !slices.Contains(units, f.Name):
		return false
	}
	own, ownNamed := false, false
	for _, m := range r.Matches {
		name, value, _ := strings.Cut(m, "=")
		if name == "_UID" && value == f.UID {
			continue
		}
		if name != field {
			terms = append(terms, m)
			continue
		}
		own, ownNamed = own || value == f.Name, true
	}
	if ownNamed && !own {
		return false
	}
	if len(terms) == 0 {
		return true
	}
	args := append([]string{"--lines=1", "--output=cat", "--output-fields=_BOOT_ID", field + "=" + f.Name}, terms...)
	out, err := journalctl(ctx, f.Directory, args...).Output()
	return err == nil && len(out) > 0
}

// unitFields are units as the journal has them, with before in front.
func unitFields(before string, units []string) []string {
	var out []string
	for _, u := range units {
		if filepath.Ext(u) == "" {
			u += ".service"
		}
		out = append(out, before+u)
	}
	return out
}

// syslog tells whether the source reads one of the files that a syslog daemon
// writes, where the lines of any unit may be.
func (r reading) syslog(written []string) bool {
	return slices.ContainsFunc(infos(written), func(a os.FileInfo) bool {
		return slices.ContainsFunc(r.files, func(b os.FileInfo) bool { return os.SameFile(a, b) })
	})
}
