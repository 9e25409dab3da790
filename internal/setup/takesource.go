package setup

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/p2pban/p2pban/internal/config"
)

// source takes over where the jail reads: units of the journal, or files.
func (j *move) source(f filter) {
	backend := j.text("backend")
	base, options, _ := strings.Cut(backend, "[")
	units, matches := j.units(f)
	logpath := j.text("logpath")
	switch {
	case base == "systemd" || logpath == "" && len(units)+len(matches) > 0:
		if options != "" {
			j.note("backend", Dropped, "", "flags for opening the journal are not needed")
		}
		if logpath != "" && j.own("logpath") {
			j.note("logpath", Dropped, "", "with backend systemd fail2ban does not read it either")
		}
		if len(units)+len(matches) == 0 {
			j.note("journalmatch", Dropped, "", "it names neither a unit nor, alone, another field that says who wrote an entry, such as _UID; every user of the machine can write entries with any other field")
			return
		}
		j.addSource(fmt.Sprintf("What the jail %s read of the journal.", j.section), []setting{{key: "unit", value: list(units), off: units == nil}, {key: "match", value: list(matches), off: matches == nil}}, append(units, matches...))
	case logpath != "":
		j.logpath()
	default:
		j.items = append(j.items, Item{Setting: "logpath", What: Fault, Why: "the jail names no log; fail2ban can't run it"})
	}
}

// units reads journalmatch, of the jail or else of the filter: fields that must
// all match, "+" or a new line between alternatives (journalctl(1)).
func (j *move) units(f filter) (units, matches []string) {
	v, ok := j.get("journalmatch")
	if !ok {
		v.raw = f.match
	}
	if clean(v.raw) != v.raw {
		j.note("journalmatch", Fault, "", inlineComment)
	}
	var other []string
	for _, field := range strings.Fields(clean(v.raw)) {
		name, is := strings.CutPrefix(field, "_SYSTEMD_UNIT=")
		switch {
		case is && !slices.Contains(units, name):
			units = append(units, name)
		case !is && field != "+":
			other = append(other, field)
		}
	}
	// One alternative narrows the units, as match does here.
	if single := !strings.ContainsAny(strings.TrimSpace(clean(v.raw)), "+\n"); single || len(units) == 0 && sameField(other) {
		matches, other = other, nil
	}
	if len(units) == 0 && !slices.ContainsFunc(matches, config.SaysWho) {
		matches = nil // everybody could write such entries
	}
	if len(units) > 0 {
		j.note("journalmatch", Taken, "unit = "+list(units), "")
	}
	if len(matches) > 0 {
		j.note("journalmatch", Taken, "match = "+list(matches), "")
	}
	if len(other) > 0 {
		j.note("journalmatch", Dropped, "", "the fields of a source narrow its units, they are no alternative to them: "+strings.Join(other, " ")+" is left out")
	}
	return units, matches
}

func sameField(matches []string) bool {
	return !slices.ContainsFunc(matches, func(m string) bool {
		field, _, _ := strings.Cut(m, "=")
		return !strings.HasPrefix(matches[0], field+"=")
	})
}

// logpath takes over files: one a line, each perhaps with "head" or "tail".
func (j *move) logpath() {
	v, _ := j.get("logpath")
	var paths []string
	fromStart := false
	for _, line := range strings.Split(v.raw, "\n") {
		path := clean(line)
		if path != strings.TrimSpace(line) {
			j.note("logpath", Fault, "", inlineComment)
		}
		if path == "" || strings.HasPrefix(path, "#") {
			continue
		}
		if p, ok := strings.CutSuffix(path, " head"); ok {
			path, fromStart = p, true
		}
		path = strings.TrimSpace(strings.TrimSuffix(path, " tail"))
		path = strings.ReplaceAll(path, "[!", "[^") // Go's way to write that
		_, err := filepath.Match(path, "")
		if !filepath.IsAbs(path) || strings.Contains(path, "%(") || err != nil {
			j.note("logpath", Dropped, "", path+" is no absolute path or glob")
			continue
		}
		paths = append(paths, path)
	}
	if len(paths) == 0 {
		return
	}
	j.note("logpath", Taken, "file = "+list(paths), "")
	settings := []setting{{key: "file", value: list(paths)}}
	if fromStart {
		settings = append(settings, setting{key: "fromstart", value: "true", why: "As \"head\" behind fail2ban's logpath."})
	}
	j.addSource(fmt.Sprintf("Files that the jail %s read.", j.section), settings, paths)
}

// addSource writes a source, unless another jail has brought it already. It is
// called after one of the names of what it reads.
func (j *move) addSource(why string, settings []setting, names []string) {
	settings = slices.DeleteFunc(settings, func(s setting) bool { return s.off })
	id := fmt.Sprint(settings)
	if j.m.sources[id] {
		return
	}
	j.m.sources[id] = true
	name := programOf(names...)
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(names[0]), filepath.Ext(names[0]))
	}
	taken := map[string]bool{}
	for _, t := range j.m.sourceTables {
		taken[strings.TrimPrefix(t.name, "source.")] = true
	}
	t := &table{name: "source." + unique(name, taken), why: []string{why}, settings: settings}
	j.m.sourceTables = append(j.m.sourceTables, t)
}
