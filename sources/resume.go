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
	var known []mark
	for _, e := range entries {
		if e.After != nil {
			known = append(known, *e.After)
		}
		if e.First != "" {
			known = append(known, mark{Ino: e.Ino, First: e.First})
		}
	}
	all := listRotated(path, known...)
	found := make([]*generation, len(all)+1) // in the order of all, then path itself
	var unread []rotated
	begun := 1 + lastBegun(entries)
	for k, e := range entries {
		last := k == len(entries)-1
		if k >= begun && e.After != nil && (last || !e.Empty) {
			// Nothing had been read of it and those after it, so nothing tells
			// them from others, not even the inode, which may be another file's
			// by now. What tells is only what had been rotated away by then.
			unread = newerThanMark(all, *e.After)
			break
		}
		i, g := locate(e.place(), path, all)
		if e.At == 0 {
			// An empty file that was rotated away, and may still be written to.
			// What has its inode may be another one: surely so if it is the
			// present file, or stands where one was found by its content.
			if g != nil && (i == len(all) || found[i] != nil) {
				g.close()
			} else if g != nil {
				g.after.Store(e.After)
				found[i] = g
			}
			continue
		}
		if g == nil {
			l.reportLost(path, e)
			if e.After != nil {
				unread = newerThanMark(all, *e.After)
			}
			continue
		}
		if found[i] != nil {
			found[i].close() // taken for an empty one
		}
		g.after.Store(e.After)
		found[i], unread = g, nil
		if i < len(all) {
			unread = newerThan(all, i)
		}
	}
	return l.merge(path, all, found, unread)
}

// lastBegun returns the index of the last file of which something was read; -1
// if there is none.
func lastBegun(entries []fileEntry) int {
	for k, e := range slices.Backward(entries) {
		if e.At > 0 {
			return k
		}
	}
	return -1
}

// merge puts the files that were found in the cursor and those that nothing was
// read of in order.
func (l *lookout) merge(path string, all []rotated, found []*generation, unread []rotated) []*generation {
	known := map[fileID]*generation{}
	for _, g := range found {
		if g != nil {
			known[g.id] = g
		}
	}
	present := ""
	if g, err := openGeneration(path); err == nil {
		present = firstLine(g.fd)
		g.close()
	}
	for _, r := range unread {
		i := slices.Index(all, r)
		if gens := l.openWhole(*newestMark(all[:i]), []rotated{r}, present, known); len(gens) > 0 && found[i] == nil {
			found[i] = gens[0]
		} else if len(gens) > 0 {
			gens[0].close()
		}
	}
	return slices.DeleteFunc(found, func(g *generation) bool { return g == nil })
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
	l.f.lost("the position in " + path + " is lost: the file that was read up to byte " +
		strconv.FormatInt(e.At, 10) + " is gone, and so is what was written to it since; " + path + " is read from its beginning")
}
