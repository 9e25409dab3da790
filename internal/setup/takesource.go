package setup

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// source takes over where the jail reads: units of the journal, or files.
func (j *move) source(f filter) {
	backend := j.text("backend")
	base, options, _ := strings.Cut(backend, "[")
	units := j.units(f)
	logpath := j.text("logpath")
	switch {
	case base == "systemd" || logpath == "" && len(units) > 0:
		if options != "" {
			j.note("backend", Dropped, "", "flags for opening the journal are not needed")
		}
		if logpath != "" && j.own("logpath") {
			j.note("logpath", Dropped, "", "with backend systemd fail2ban does not read it either")
		}
		if len(units) == 0 {
			j.note("journalmatch", Dropped, "", "it names no unit (_SYSTEMD_UNIT=…), and p2pban's sources are units or files")
			return
		}
		j.addSource(fmt.Sprintf("Units that the jail %s read.", j.section), "unit", units, false)
	case logpath != "":
		j.logpath()
	default:
		j.items = append(j.items, Item{Setting: "logpath", What: Fault, Why: "the jail names no log; fail2ban can't run it"})
	}
}

// units reads journalmatch, of the jail or else of the filter: fields that must
// all match, "+" or a new line between alternatives (journalctl(1)).
func (j *move) units(f filter) []string {
	v, ok := j.get("journalmatch")
	if !ok {
		v.raw = f.match
	}
	if clean(v.raw) != v.raw {
		j.note("journalmatch", Fault, "", inlineComment)
	}
	var units, other []string
	for _, field := range strings.Fields(clean(v.raw)) {
		name, is := strings.CutPrefix(field, "_SYSTEMD_UNIT=")
		switch {
		case is && !slices.Contains(units, name):
			units = append(units, name)
		case !is && field != "+":
			other = append(other, field)
		}
	}
	if len(units) == 0 {
		return nil
	}
	j.note("journalmatch", Taken, "unit = "+list(units), "")
	if len(other) > 0 {
		j.note("journalmatch", Dropped, "", "p2pban reads all lines of a unit: "+strings.Join(other, " ")+" is left out")
	}
	return units
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
	j.addSource(fmt.Sprintf("Files that the jail %s read.", j.section), "file", paths, fromStart)
}

// addSource writes a source, unless another jail has brought it already.
func (j *move) addSource(why, key string, values []string, fromStart bool) {
	id := key + list(values)
	if j.m.sources[id] {
		return
	}
	j.m.sources[id] = true
	name := programOf(values...)
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(values[0]), filepath.Ext(values[0]))
	}
	taken := map[string]bool{}
	for _, t := range j.m.sourceTables {
		taken[strings.TrimPrefix(t.name, "source.")] = true
	}
	t := &table{name: "source." + unique(name, taken), why: []string{why}}
	t.set(key, list(values), "")
	if fromStart {
		t.set("fromstart", "true", "As \"head\" behind fail2ban's logpath.")
	}
	j.m.sourceTables = append(j.m.sourceTables, t)
}
