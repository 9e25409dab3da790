package setup

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/p2pban/p2pban/sources"
)

// containerUnits log what all their containers say.
var containerUnits = []string{"docker.service", "containerd.service", "crio.service"}

// finish orders what was found, the most telling first, and names the sources.
func (l *looker) finish() {
	found := mergePods(l.report.Found)
	slices.SortStableFunc(found, func(a, b Found) int { return cmp.Compare(sign(b.Records), sign(a.Records)) })
	taken := map[string]bool{}
	for i := range found {
		f := &found[i]
		if why := l.leaveOut(*f, found[:i]); why != "" {
			f.Notes = append(f.Notes, "not in the configuration: "+why)
			continue
		}
		if slices.Contains(containerUnits, f.Name) {
			f.Notes = append(f.Notes, "it holds the lines of every container that logs to the journal, and each of them could write such lines; give the node a unit or a log of its own")
		}
		f.Source = sourceName(*f, taken)
	}
	l.report.Found = found
}

// inJournal tells whether f is a container that logs to the journal.
func inJournal(f Found) bool { return f.Kind == KindContainer && len(f.Files) == 0 }

// isUserManager tells whether a unit is a user's own service manager, under
// whose name the journal has the lines of all its units once more.
func isUserManager(unit string) bool {
	return strings.HasPrefix(unit, "user@") && strings.HasSuffix(unit, ".service")
}

func ofUser(f Found) bool { return f.Kind == KindUserUnit && f.Records > 0 }

func sign(n int64) int { return cmp.Compare(n, 0) }

// mergePods makes one of the logs that one source reads.
func mergePods(all []Found) []Found {
	out := make([]Found, 0, len(all)) // in JSON a list, also when it is empty
	for _, f := range all {
		i := slices.IndexFunc(out, func(o Found) bool { return f.Kind == KindPod && slices.Equal(o.Files, f.Files) })
		if i < 0 {
			out = append(out, f)
			continue
		}
		// The one that shows more speaks for both.
		if out[i].Records < f.Records {
			out[i] = f
		}
	}
	return out
}

// leaveOut says why a log gets no source, or "".
func (l *looker) leaveOut(f Found, before []Found) string {
	if slices.Contains(containerUnits, f.Name) && slices.ContainsFunc(l.report.Found, inJournal) {
		return "its containers are sources of their own"
	}
	if f.Kind == KindUnit && isUserManager(f.Name) && slices.ContainsFunc(l.report.Found, ofUser) {
		return "its units are sources of their own"
	}
	if f.Kind == KindUserUnit && f.UID == "" {
		return "it is not known which user's unit is meant; write it with his number: userunit = " + quote(f.Name) + `, match = "_UID=…"`
	}
	if f.Records == 0 && len(rulesOf(l.opts.Ruleset, f.Program)) == 0 {
		return "no rule that is on by default reads this node's log"
	}
	for _, b := range before {
		if b.Source == "" || b.Records == 0 {
			continue
		}
		if f.Kind == KindFile && b.Kind == KindUnit && slices.Contains(sources.SyslogFiles, f.Name) {
			return "these are the lines of " + b.Name + " once more, and would count twice"
		}
		if f.Records == 0 && f.Program == b.Program {
			return fmt.Sprintf("%s has this node's lines; add it if it is another node", b.Name)
		}
	}
	return ""
}

// sourceName makes a name that a configuration accepts and that is not taken.
func sourceName(f Found, taken map[string]bool) string {
	stem := f.Program
	if stem == "" && len(f.Implementations) > 0 {
		stem = f.Implementations[0]
	}
	if f.Kind == KindUnit || f.Kind == KindUserUnit {
		stem, _, _ = strings.Cut(f.Name, ".")
	} else if stem == "" {
		stem = filepath.Base(f.Name)
	}
	return unique(stem, taken)
}

func unique(stem string, taken map[string]bool) string {
	stem = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, stem)
	const maxStem = 48 // a name may have 64
	stem = stem[:min(len(stem), maxStem)]
	if stem == "" {
		stem = "node"
	}
	name := stem
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", stem, n)
	}
	taken[name] = true
	return name
}
