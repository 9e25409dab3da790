package sources

import (
	"path/filepath"
	"slices"
	"strconv"
)

// resume opens the files of the cursor where it left them, under whatever name
// they have now, and those that came after them. What the paths lead to now is
// found by the scan that follows.
func (l *lookout) resume() {
	var paths []string
	entries := map[string][]fileEntry{}
	for _, e := range l.f.cursor.Files {
		if !slices.Contains(paths, e.Path) && l.f.wants(e.Path) {
			paths = append(paths, e.Path)
		}
		entries[e.Path] = append(entries[e.Path], e)
	}
	for _, path := range paths {
		if gens := l.resumePath(path, entries[path]); len(gens) > 0 {
			for _, g := range gens {
				l.watchFile(g)
			}
			l.f.extend(path, gens, false)
		}
	}
}

// wants says whether path still belongs to the source. A glob is asked by its
// text, for its log may be away just now.
func (f *File) wants(path string) bool {
	return slices.ContainsFunc(f.finders, func(fi finder) bool {
		if g, ok := fi.(glob); ok {
			ok, _ := filepath.Match(string(g), path) // newPattern has checked it
			return ok
		}
		paths, _ := fi.find() // what it can't see is told by the scan
		return slices.Contains(paths, path)
	})
}

// resumePath opens the generations of one path, old to new.
func (l *lookout) resumePath(path string, entries []fileEntry) []*generation {
	all := listRotated(path)
	found := make([]*generation, len(all)+1) // in the order of all, then path itself
	newest := -1
	for _, e := range entries {
		i, g := locate(e.place(), path, all)
		if g == nil {
			l.reportLost(path, e)
			continue
		}
		if found[i] != nil {
			g.close()
			continue
		}
		found[i], newest = g, max(newest, i)
	}
	var gens []*generation
	known := map[fileID]*generation{}
	for _, g := range found {
		if g != nil {
			gens = append(gens, g)
			known[g.id] = g
		}
	}
	if newest < 0 || newest == len(all) {
		return gens
	}
	present := ""
	if g, err := openGeneration(path); err == nil {
		present = firstLine(g.fd)
		g.close()
	}
	return append(gens, l.openWhole(newerThan(all, newest), present, known)...)
}

// locate finds the file in which reading stopped: the one with its inode if it
// has the content, else one with the content (a copy, a restored file), else a
// compressed one. The index is that in all, len(all) for path itself.
func locate(p place, path string, all []rotated) (int, *generation) {
	candidates := append([]rotated{}, all...)
	candidates = append(candidates, rotated{path: path})
	for _, byID := range []bool{true, false} {
		for i, file := range slices.Backward(candidates) {
			if file.packed {
				continue
			}
			if g := p.openPlain(file.path, byID); g != nil {
				return i, g
			}
		}
	}
	for i, file := range slices.Backward(candidates) {
		if !file.packed {
			continue
		}
		if g := p.openPacked(file.path); g != nil {
			return i, g
		}
	}
	return 0, nil
}

func (l *lookout) reportLost(path string, e fileEntry) {
	if e.At == 0 {
		return // nothing had been read of it
	}
	l.f.lost("the position in " + path + " is lost: the file that was read up to byte " +
		strconv.FormatInt(e.At, 10) + " is gone, and so is what was written to it since; " + path + " is read from its beginning")
}
