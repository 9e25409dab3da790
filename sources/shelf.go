package sources

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// shelf is a log with the files that were rotated away from it, by the names
// they had at one moment.
type shelf struct {
	// present is the file at the log's own path; zero if there is none.
	present fileID
	// rotated are the others, old to new as far as their names tell.
	rotated []rotated
}

// readShelf looks at the files of the log at path. If path is a symbolic link,
// the rotated ones stand beside what it points at.
func readShelf(path string) (s shelf) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Stat(path); err == nil {
		s.present = idOf(info)
	}
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return s // nothing to be found there; the log itself reports it
	}
	for _, e := range entries {
		r, ok := rotatedFrom(base, e.Name())
		if !ok {
			continue
		}
		r.path = filepath.Join(dir, e.Name())
		if info, err := os.Stat(r.path); err == nil {
			r.id = idOf(info)
		}
		s.rotated = append(s.rotated, r)
	}
	slices.SortStableFunc(s.rotated, func(a, b rotated) int { return strings.Compare(a.order, b.order) })
	return s
}

// ordered returns the rotated files, old to new; known are some of them, or of
// what was, old to new, by which orient knows better than by the names.
func (s shelf) ordered(known []mark) []rotated {
	all := slices.Clone(s.rotated)
	orient(all, known)
	return all
}

func (s shelf) equal(o shelf) bool {
	return s.present == o.present && slices.Equal(s.rotated, o.rotated)
}

// opened is what was opened of a shelf, old to new, and what is to be told of it.
type opened struct {
	gens []*generation
	lost []string
	err  error
}

// Pauses between the tries of steadily, doubled from try to try: a rotation
// renames a thousand files in a tenth of a second.
const (
	steadyTries = 10
	steadyPause = time.Millisecond
)

// steadily opens files of the shelf of path. A rotation that moves files from
// name to name makes a list that is being read miss some, and a name lead to
// another file than it did; then what was opened is closed, and open called
// anew, until no name has changed meanwhile.
func steadily(path string, open func(shelf) opened) opened {
	pause := steadyPause
	for try := 1; ; try++ {
		s := readShelf(path)
		o := open(s)
		if s.equal(readShelf(path)) {
			return o
		}
		if try == steadyTries {
			o.lost = append(o.lost, "files beside "+path+" are renamed without a pause: some may have been missed")
			return o
		}
		for _, g := range o.gens {
			g.close()
		}
		time.Sleep(pause)
		pause *= 2
	}
}

// whole opens rotated files, the next ones after the one with that mark, at
// their beginnings, but for those that are open already and for copies of the
// present file (nil if there is none).
func (o *opened) whole(after mark, files []rotated, present *generation, known map[fileID]*generation) {
	for _, r := range files {
		g, err := r.open()
		if err != nil {
			o.lost = append(o.lost, "a rotated file can't be read: "+explainOpen(r.path, err).Error())
			continue
		}
		mine := after
		if m := g.mark(); m.First != "" {
			after = m
		}
		if known[g.id] != nil || (present != nil && r.copyOf(present)) {
			g.close()
			continue
		}
		g.after.Store(&mine)
		o.gens = append(o.gens, g)
	}
}

// copyOf says whether r holds what is, or was a moment ago, the beginning of the
// present file: logrotate's copytruncate is between its two steps. Logs may all
// begin with the same line, so the end of the copy must be there too.
func (r rotated) copyOf(present *generation) bool {
	g, err := r.open()
	if err != nil {
		return false
	}
	defer g.close()
	p := place{first: g.mark().First, at: g.size()}
	if p.first == "" || p.first != firstLine(present.fd) {
		return false
	}
	if g.archive == nil {
		p.tail = tailBefore(g.fd, p.at)
		return p.fits(present)
	}
	for buf := make([]byte, chunkBytes); g.pos <= present.size(); {
		data, err := g.read(buf)
		if err != nil || len(data) == 0 { // all there is of it
			p.at, p.tail = g.pos, fingerprint(g.recent)
			return p.fits(present)
		}
		g.advance(data)
	}
	return false
}

// olderThan returns those of all that came before what gens, old to new, hold now:
// none of them under a rotated name, copied or compressed, and none that is newer.
func olderThan(all []rotated, gens []*generation) []rotated {
	for i, r := range all {
		if slices.ContainsFunc(gens, func(g *generation) bool { return r.id == g.id || r.copyOf(g) }) {
			return all[:i]
		}
	}
	return all
}

// tellGone notes that the file after which those that were not read begin is no
// more.
func (o *opened) tellGone(path string) {
	o.lost = append(o.lost, "files that were rotated away from "+path+" before they could be read may be gone, and the lines in them lost")
}
