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
	logs := s.logs()
	for _, path := range paths {
		if _, plain := fi.(plainPath); !plain && s.chains[path] == nil && isRotated(path, logs) {
			continue // of a log that is away just now
		}
		found = s.path(path) || found
		s.watch(linkDirs(path))
	}
	if !found {
		s.waiting = append(s.waiting, fi.String())
	}
}

// logs returns the names in each directory that are followed.
func (s *scan) logs() map[string][]string {
	logs := map[string][]string{}
	for path := range s.chains {
		dir, name := filepath.Split(path)
		logs[dir] = append(logs[dir], name)
	}
	return logs
}

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
	g, err := openGeneration(path)
	if err != nil {
		s.trouble[path] = explainOpen(path, err).Error()
		return !errors.Is(err, fs.ErrNotExist)
	}
	if old := s.known[g.id]; old != nil { // renamed between stat and open
		g.close()
		s.mark(old, path)
		return true
	}
	s.add(path, c, g)
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

// add makes g the present file of path. If files came and went between it and
// the last one known, they are read first.
func (s *scan) add(path string, c *chain, g *generation) {
	gens := []*generation{g}
	var known []mark
	if c != nil {
		known = knownBefore(path, c.gens[len(c.gens)-1])
	}
	switch {
	case c != nil && len(c.gens) > 0:
		if s.l.began { // else resume has looked
			gens = append(s.between(path, c, g), g)
		}
		s.l.f.update(func(st *Stats) { st.Rotations += uint64(len(gens)) })
		s.l.f.opts.Log.Debug("file rotated", "path", path, "new", len(gens))
	case !s.l.began && s.l.f.opts.Cursor == "" && !s.l.f.opts.FromStart:
		if err := g.startAtEnd(); err != nil {
			s.trouble[path] = err.Error()
		}
	case s.l.f.unwrap && (s.l.began || s.l.f.opts.Cursor != ""):
		// A container that was made since, in a directory of its own: what was
		// rotated away there is of it too.
		gens = append(s.l.openWhole(mark{}, listRotated(path), firstLine(g.fd), s.known), g)
	}
	g.after.Store(newestMark(listRotated(path, known...)))
	for _, g := range gens {
		s.l.watchFile(g)
		s.known[g.id] = g
	}
	s.named[g] = true
	s.l.f.extend(path, gens, false)
	s.chains[path] = &chain{path: path, gens: gens}
	s.found = true
}

// between opens the files that were rotated away from path after the last one
// known and before g.
func (s *scan) between(path string, c *chain, g *generation) []*generation {
	last := c.gens[len(c.gens)-1]
	all := listRotated(path, knownBefore(path, last)...)
	i := slices.IndexFunc(all, func(r rotated) bool {
		info, err := os.Stat(r.path)
		return err == nil && idOf(info) == last.id
	})
	if i < 0 {
		return nil
	}
	return s.l.openWhole(*newestMark(all[:i+1]), newerThan(all, i), firstLine(g.fd), s.known)
}

// knownBefore is what is known of the order of the files of path: what was there
// before the last one, and that one if it was rotated away.
func knownBefore(path string, last *generation) (known []mark) {
	if m := last.after.Load(); m != nil {
		known = append(known, *m)
	}
	for _, r := range listRotated(path) {
		if info, err := os.Stat(r.path); err != nil || idOf(info) != last.id {
			continue
		}
		if m, err := r.mark(); err == nil {
			known = append(known, m)
		}
	}
	return known
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
