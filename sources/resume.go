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
		if !slices.Contains(paths, e.Path) && leads(l.f.finders, e.Path) {
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

// leads says whether one of the finders leads to path. A glob is asked by its text,
// for its log may be away just now.
func leads(finders []finder, path string) bool {
	return slices.ContainsFunc(finders, func(fi finder) bool {
		if g, ok := fi.(glob); ok {
			ok, _ := filepath.Match(string(g), path) // newPattern has checked it
			return ok
		}
		paths, _ := fi.find() // what it can't see is told by the scan
		return slices.Contains(paths, path)
	})
}

// newlyNamed says whether path is one that nobody followed when the cursor was
// written, although it may have been there: the source was changed, and kept its name.
func (f *File) newlyNamed(path string) bool {
	before := f.cursor.Names
	switch {
	case f.opts.Cursor == "":
		return true
	case len(before) == 0: // it does not say
		return false
	case !slices.ContainsFunc(f.finders, func(fi finder) bool { return !slices.Contains(before, fi.String()) }):
		return false // nothing was added
	}
	return !slices.ContainsFunc(before, func(name string) bool { return leads(f.finderOf(name), path) })
}

// finderOf gives the finder that a name in a cursor is of, in a list; none where that
// can't be said of the containers that it named.
func (f *File) finderOf(name string) []finder {
	if i := slices.IndexFunc(f.finders, func(fi finder) bool { return fi.String() == name }); i >= 0 {
		return f.finders[i : i+1]
	}
	if fi, err := newPattern(name); err == nil && !f.unwrap {
		return []finder{fi}
	}
	return nil
}

// elsewhere gives where reading of g stopped when it had another name; 0 if nothing of
// it was read.
func (f *File) elsewhere(g *generation) int64 {
	for _, e := range slices.Backward(f.cursor.Files) {
		if e.At > 0 && e.place().id == g.id && e.place().fits(g) {
			return e.At
		}
	}
	return 0
}

// resumePath opens the generations of one path, old to new, the present file
// with them: what is at path when the scan comes to it may be the next one.
func (l *lookout) resumePath(path string, entries []fileEntry) []*generation {
	var marks []mark
	for _, e := range entries {
		if e.First == "" {
			continue // where it stands is not known, so nor what its mark came before
		}
		if e.After != nil {
			marks = append(marks, *e.After)
		}
		marks = append(marks, e.mark())
	}
	o := steadily(path, func(s shelf) opened {
		all := s.ordered(marks)
		r := &resumption{path: path, all: all, found: make([]*generation, len(all)+1), open: l.f.open()}
		r.take(entries)
		r.merge(s.present)
		return r.opened
	})
	for _, text := range o.lost {
		l.f.lost(text)
	}
	return o.gens
}

// resumption looks for what a cursor names of one path.
type resumption struct {
	path string
	all  []rotated
	// found are what the cursor names, in the order of all, then path itself.
	found []*generation
	// unread are those of all of which nothing was read.
	unread []rotated
	// open are the files that are, those of other paths too.
	open map[fileID]*generation
	opened
}

// take looks for the files of the entries.
func (r *resumption) take(entries []fileEntry) {
	begun := 1 + lastBegun(entries)
	for k, e := range entries {
		last := k == len(entries)-1
		switch {
		case k >= begun && e.After != nil && (last || !e.Empty):
			// Nothing had been read of it and those after it, so nothing tells
			// them from others, not even the inode, which may be another file's
			// by now. What tells is only what had been rotated away by then.
			r.newer(e)
			return
		case e.At == 0:
			r.empty(e)
		default:
			r.begun(e, last)
		}
	}
}

// newer takes what was rotated away after the mark of an entry for unread.
func (r *resumption) newer(e fileEntry) {
	var gone bool
	r.unread, gone = newerThanMark(r.all, *e.After)
	// The oldest one that is left may well be that of the entry.
	if gone && e.At == 0 && len(r.unread) > 0 && r.unread[0].id != e.place().id {
		r.tellGone(r.path)
	}
}

// empty takes an empty file that was rotated away, and may still be written to. What
// has its inode now may be another file. It surely is one if it is the present file,
// or if a file was found in the same place by its content. Since it may have been
// written later than e says, what it comes after is the file before it now, and not
// the one that e names.
func (r *resumption) empty(e fileEntry) {
	i, g := locate(e, r.all)
	switch {
	case g == nil:
	case i == len(r.all) || r.found[i] != nil:
		g.close()
	default:
		g.after.Store(newestMark(r.all[:i]))
		r.found[i] = g
	}
}

// begun takes a file that was read up to some byte; last is the one that was the
// present one then.
func (r *resumption) begun(e fileEntry, last bool) {
	i, g := locate(e, r.all)
	if g == nil {
		gone := "that was read up to byte " + strconv.FormatInt(e.At, 10) + " is gone, and so is what was written to it since"
		if last {
			gone = "the position in " + r.path + " is lost: the file " + gone + "; " + r.path + " is read from its beginning"
		} else {
			gone = "a file rotated away from " + r.path + " " + gone
		}
		r.lost = append(r.lost, gone)
		if e.After != nil {
			r.newer(e)
		}
		return
	}
	if r.found[i] != nil {
		r.found[i].close() // taken for an empty one
	}
	g.after.Store(e.After)
	r.found[i], r.unread = g, nil
	if i < len(r.all) {
		r.unread = newerThan(r.all, i)
	}
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

// merge puts the files that were found and those that nothing was read of in
// order, and last the present one.
func (r *resumption) merge(present fileID) {
	for _, g := range r.found {
		if g != nil {
			r.open[g.id] = g
		}
	}
	last := &r.found[len(r.all)]
	if *last == nil && r.open[present] == nil {
		// What keeps it from being read is told by the scan.
		if g, err := openGeneration(r.path); err == nil {
			g.after.Store(newestMark(r.all))
			*last = g
		}
	}
	for _, file := range r.unread {
		i := slices.Index(r.all, file)
		o := opened{}
		o.whole(*newestMark(r.all[:i]), []rotated{file}, *last, r.open)
		r.lost = append(r.lost, o.lost...)
		switch {
		case len(o.gens) == 0:
		case r.found[i] == nil:
			r.found[i] = o.gens[0]
		default:
			o.gens[0].close()
		}
	}
	r.gens = slices.DeleteFunc(r.found, func(g *generation) bool { return g == nil })
}

// locate finds the file in which reading stopped: the one with its inode if it
// has the content, else one with the content (a copy, a restored file, a
// compressed one). The index is that in all, len(all) for the path itself.
//
// If little was read, no more than what many logs begin with, the file that has the
// inode by now may be another one that begins alike. So where an earlier file has the
// content too, that one is meant, unless it is a copy of the file with the inode.
func locate(e fileEntry, all []rotated) (int, *generation) {
	p := e.place()
	candidates := append(slices.Clone(all), rotated{path: e.Path})
	byID, g := p.findID(candidates)
	from := since(all, e.After)
	i, other := p.find(candidates, from)
	switch {
	case g == nil:
		return i, other
	case other == nil:
		return byID, g
	case from <= i && i < byID && !candidates[i].copyOf(g):
		g.close()
		return i, other
	}
	other.close()
	return byID, g
}
