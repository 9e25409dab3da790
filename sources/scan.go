package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// scan looks where the patterns lead now and opens what is new. It says whether
// there was something new.
func (l *lookout) scan() bool {
	s := &scan{
		l:       l,
		chains:  map[string]*chain{},
		known:   map[fileID]*generation{},
		named:   map[*generation]bool{},
		trouble: map[string]string{},
		watched: map[string]bool{},
	}
	for _, c := range l.f.current() {
		s.chains[c.path] = c
		for _, g := range c.gens {
			s.known[g.id] = g
		}
	}
	for _, fi := range l.f.finders {
		s.find(fi)
	}
	for _, g := range s.known {
		g.named.Store(s.named[g])
	}
	l.began = true
	l.f.mu.Lock()
	l.f.trouble, l.f.waiting = s.trouble, s.waiting
	l.f.mu.Unlock()
	return s.found
}

// scan is one look at all names.
type scan struct {
	l       *lookout
	chains  map[string]*chain
	known   map[fileID]*generation
	named   map[*generation]bool
	trouble map[string]string
	waiting []string
	watched map[string]bool
	found   bool
}

// find looks where one finder leads.
func (s *scan) find(fi finder) {
	paths, err := fi.find()
	if err != nil {
		s.trouble[fi.String()] = err.Error()
	}
	s.watch(fi.dirs())
	found := false
	for _, path := range paths {
		if _, plain := fi.(plainPath); !plain && s.chains[path] == nil && isRotated(path, s.follows) {
			continue // of a log that is away just now
		}
		found = s.path(path) || found
		s.watch(linkDirs(path))
	}
	if !found {
		s.waiting = append(s.waiting, fi.String())
	}
}

// follows says whether a path is followed.
func (s *scan) follows(path string) bool { return s.chains[path] != nil }

// path opens the file at path if it is not open yet. It says whether there is
// one, readable or not.
func (s *scan) path(path string) bool {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		s.trouble[path] = explainOpen(path, err).Error()
		return true
	}
	if g := s.known[idOf(info)]; g != nil {
		s.mark(g, path)
		return true
	}
	c := s.chains[path]
	if c != nil && len(c.gens) >= maxGenerations {
		s.trouble[path] = path + " has been rotated more often than could be read; the rest is read when the reader has caught up"
		return true
	}
	if c == nil && len(s.chains) >= maxFiles {
		s.trouble["files"] = fmt.Sprintf("more than %d files: %s and others are not followed", maxFiles, path)
		return true
	}
	o := s.open(path, c)
	if o.err != nil {
		s.trouble[path] = explainOpen(path, o.err).Error()
		return !errors.Is(o.err, fs.ErrNotExist)
	}
	g := o.gens[len(o.gens)-1]
	if old := s.known[g.id]; old != nil { // renamed between stat and open
		for _, g := range o.gens {
			g.close()
		}
		s.mark(old, path)
		return true
	}
	s.add(path, c, o)
	return true
}

// mark notes that path leads to g. If g was another path's and has a successor
// there, path is its own log from now on.
func (s *scan) mark(g *generation, path string) {
	s.named[g] = true
	if s.chains[path] != nil || g.dirty.Load() {
		return
	}
	for _, c := range s.chains {
		if i := slices.Index(c.gens, g); i >= 0 && i < len(c.gens)-1 {
			s.l.f.move(g, path)
			s.chains[path] = &chain{path: path, gens: []*generation{g}}
			return
		}
	}
}

// open opens the present file of path and, before it, those that came and went
// between it and the last one known.
func (s *scan) open(path string, c *chain) opened {
	return steadily(path, func(sh shelf) (o opened) {
		g, err := openGeneration(path)
		if err != nil {
			return opened{err: err}
		}
		all := sh.rotated
		switch {
		case c != nil && len(c.gens) > 0:
			last := c.gens[len(c.gens)-1]
			all = sh.ordered(sh.knownBefore(last))
			o = s.between(path, all, last, g)
		case s.l.f.unwrap && (s.l.began || !s.l.f.newlyNamed(path)):
			// A container that was made since, in a directory of its own: what was
			// rotated away there is of it too.
			o.whole(mark{}, all, g, s.known)
		}
		g.after.Store(newestMark(all))
		o.gens = append(o.gens, g)
		return o
	})
}

// add follows what was opened of a path.
func (s *scan) add(path string, c *chain, o opened) {
	g := o.gens[len(o.gens)-1]
	switch {
	case c != nil && len(c.gens) > 0:
		s.l.f.update(func(st *Stats) { st.Rotations += uint64(len(o.gens)) })
		s.l.f.opts.Log.Debug("file rotated", "path", path, "new", len(o.gens))
	case !s.l.began:
		if err := s.l.f.begin(path, g); err != nil {
			s.trouble[path] = err.Error()
		}
	}
	for _, text := range o.lost {
		s.l.f.lost(text)
	}
	for _, g := range o.gens {
		s.l.watchFile(g)
		s.known[g.id] = g
	}
	s.named[g] = true
	s.l.f.extend(path, o.gens, false)
	s.chains[path] = &chain{path: path, gens: o.gens}
	s.found = true
}

// begin puts a file that was there before Run began, and is not known under its path,
// where reading of it stopped under another name, or behind what nobody asked for.
func (f *File) begin(path string, g *generation) error {
	if at := f.elsewhere(g); at > 0 {
		return g.startAt(at)
	}
	if !f.opts.FromStart && f.newlyNamed(path) {
		return g.startAtEnd()
	}
	return nil
}

// between opens those of all that were rotated away from path after the last one
// known and before the present one.
func (s *scan) between(path string, all []rotated, last, present *generation) (o opened) {
	i := slices.IndexFunc(all, func(r rotated) bool { return r.id == last.id })
	if i >= 0 {
		o.whole(*newestMark(all[:i+1]), newerThan(all, i), present, s.known)
		return o
	}
	// It was deleted, or has been compressed. Its mark is read before its after: the
	// reader, when it finds the file emptied, changes after first and the mark last.
	was := last.mark()
	after := last.after.Load()
	if after == nil {
		return o
	}
	newer, gone := newerThanMark(all, *after)
	own := s.ownIndex(path, newer, last, was)
	if gone && own < 0 && len(newer) > 0 {
		o.tellGone(path)
	}
	if own >= 0 {
		after = newestMark(newer[:own+1])
	}
	o.whole(*after, newer[own+1:], present, s.known)
	return o
}

// ownIndex returns where of files that stands which holds what is in g, or what was
// read of it before it was emptied; -1 if there is none.
func (s *scan) ownIndex(path string, files []rotated, g *generation, was mark) int {
	own := -1
	if was.First != "" {
		own = slices.IndexFunc(files, func(r rotated) bool { return r.holds(was) })
	}
	now := s.l.f.markOf(path, g)
	if now.First == "" {
		return own
	}
	for i, r := range files[max(own, 0):] {
		// All of it, for what was written since it was emptied may be little.
		if m, err := r.mark(); err == nil && m.First == now.First && m.At == now.At && m.Tail == now.Tail {
			return max(own, 0) + i
		}
	}
	return own
}

// knownBefore is what is known of the order of the rotated files: what was there
// before the last one that is open, and that one if it was rotated away.
func (s shelf) knownBefore(last *generation) []mark {
	own := slices.IndexFunc(s.rotated, func(r rotated) bool { return r.id == last.id })
	was := last.mark() // before its after, as in between
	after := last.after.Load()
	if own < 0 || after == nil {
		return nil // one file alone has no order
	}
	if *after == (mark{}) {
		// Nothing was older than what was read of it. If that is in another file
		// now, it was copied and emptied and the reader doesn't know yet.
		if i := indexOf(s.rotated, was); i >= 0 && i != own {
			return nil
		}
	}
	now, err := s.rotated[own].mark()
	if err != nil {
		return nil
	}
	return []mark{*after, now}
}

// watch watches directories in which a name on the way may change. What can't
// be watched is looked at every lookEvery.
func (s *scan) watch(dirs []string) {
	if s.l.n == nil {
		return
	}
	for _, dir := range dirs {
		if s.watched[dir] {
			continue
		}
		s.watched[dir] = true
		for s.l.n.watchDir(dir) != nil && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir) // does not exist yet
		}
	}
}
