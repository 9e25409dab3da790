package sources

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// FileOptions say which files a File follows, and from where.
type FileOptions struct {
	// Name is the name of the source, for Batch.Source.
	Name string
	// Patterns are paths or globs as in path/filepath.Match. A plain path that
	// does not exist is waited for; a glob is looked at again whenever its
	// directory changes. What a glob matches of rotated files (log.1 beside
	// log) is not followed by itself, only as the past of its log.
	Patterns []string
	// Cursor resumes after the batch that carried it; empty, or a Journal's, to
	// begin anew.
	Cursor string
	// FromStart reads the files that exist when Run begins from their first
	// line; otherwise only what is written from then on. With a Cursor it says so
	// of the files alone to which no pattern led that the Cursor was written with.
	// Files that appear later are always read from their first line.
	FromStart bool
	// Log is told about rotations and lost positions; nil for silence.
	Log *slog.Logger
}

// File follows files through their rotations.
type File struct {
	meter
	opts    FileOptions
	kind    string
	finders []finder
	// unwrap is set when the lines carry a container runtime's frame.
	unwrap bool
	cursor fileCursor
	// head is how its own cursors begin.
	head string
	// linger and deleted are lingerTime and deletedTime, notify is newNotifier,
	// chunk is chunkBytes; tests have no time to wait, inotify to spare and short
	// files.
	linger, deleted time.Duration
	chunk           int
	notify          func() (*notifier, error)

	mu sync.Mutex
	// chains are the files followed, by path. Neither the slice nor what it
	// points to is ever changed: a change puts a new slice here.
	chains []*chain
	// trouble is what keeps a path from being read now, by path.
	trouble map[string]string
	// waiting are the patterns that lead to no file now.
	waiting []string
}

// chain is what one path has led to, old to new; the last one is the present
// file, or was before it disappeared. Never changed once made.
type chain struct {
	path string
	gens []*generation
}

var (
	_ Source   = (*File)(nil)
	_ Reporter = (*File)(nil)
)

// NewFile checks that what exists of the files can be read and returns a source
// that follows them. It starts nothing. A file that does not exist is no error,
// it is waited for; one that may not be read is an error that says who may.
func NewFile(o FileOptions) (*File, error) {
	if len(o.Patterns) == 0 {
		return nil, errors.New("no file named")
	}
	var finders []finder
	for _, p := range o.Patterns {
		fi, err := newPattern(p)
		if err != nil {
			return nil, err
		}
		finders = append(finders, fi)
	}
	return newFile(o, "file", finders)
}

// newFile is NewFile for whatever finds the files.
func newFile(o FileOptions, kind string, finders []finder) (*File, error) {
	for _, fi := range finders {
		if err := checkFound(fi); err != nil {
			return nil, err
		}
	}
	o.Cursor = ownCursor(o.Cursor, "cursor")
	cursor, err := parseFileCursor(o.Cursor)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &File{
		opts:    o,
		kind:    kind,
		finders: finders,
		cursor:  cursor,
		head:    cursorHead(finders),
		linger:  lingerTime,
		deleted: deletedTime,
		notify:  newNotifier,
		chunk:   chunkBytes,
		trouble: map[string]string{},
	}, nil
}

// FindFiles gives the logs that one of the Patterns of FileOptions leads to now: not
// what was rotated away from them. The error is why there may be more.
func FindFiles(pattern string) ([]string, error) {
	fi, err := newPattern(pattern)
	if err != nil {
		return nil, err
	}
	paths, err := fi.find()
	return slices.DeleteFunc(paths, func(path string) bool {
		_, err := os.Stat(path)
		return errors.Is(err, fs.ErrNotExist)
	}), err
}

// String is "file " and the patterns.
func (f *File) String() string {
	return f.kind + " " + joinNames(finderNames(f.finders))
}

// Stats returns what is known now. Lag is the unread rest of all files.
func (f *File) Stats() Stats {
	s := f.meter.Stats()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.chains {
		for _, g := range c.gens {
			if size := g.size(); size > g.at.Load() {
				s.Lag += size - g.at.Load()
			}
		}
		s.Following = append(s.Following, c.path)
	}
	s.Waiting = slices.Clone(f.waiting)
	for _, text := range f.trouble {
		s.Problems = append(s.Problems, text)
	}
	slices.Sort(s.Problems)
	s.Following = bounded(s.Following)
	s.Waiting = bounded(s.Waiting)
	s.Problems = bounded(s.Problems)
	return s
}

// lost notes that lines were not read, or may not have been.
func (f *File) lost(text string) {
	if f.meter.lost(text) {
		f.opts.Log.Warn(text)
	}
}

// bounded shortens a list to MaxProblems, the last of which says how many more there
// were.
func bounded(list []string) []string {
	if len(list) <= MaxProblems {
		return list
	}
	more := fmt.Sprintf("and %d more", len(list)-MaxProblems+1)
	return append(list[:MaxProblems-1], more)
}

// current returns the chains as they are now.
func (f *File) current() []*chain {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.chains
}

// open returns all files that are open.
func (f *File) open() map[fileID]*generation {
	ids := map[fileID]*generation{}
	for _, c := range f.current() {
		for _, g := range c.gens {
			ids[g.id] = g
		}
	}
	return ids
}

// from returns g and the files that came after it on its path. It is for the reader,
// who alone retires files, so that g is among them.
func (f *File) from(g *generation) []*generation {
	for _, c := range f.current() {
		if i := slices.Index(c.gens, g); i >= 0 {
			return c.gens[i:]
		}
	}
	return nil
}

// markOf returns the mark of what a generation of path holds now; zero if it was
// retired meanwhile.
func (f *File) markOf(path string, g *generation) mark {
	f.mu.Lock()
	defer f.mu.Unlock()
	open := slices.ContainsFunc(f.chains, func(c *chain) bool { return c.path == path && slices.Contains(c.gens, g) })
	if !open || g.archive != nil {
		return mark{}
	}
	return g.marked()
}

// extend adds generations to the end of the chain of path, or before its last
// one if they are older than it.
func (f *File) extend(path string, gens []*generation, older bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.chains, func(c *chain) bool { return c.path == path })
	if i < 0 {
		f.chains = append(slices.Clone(f.chains), &chain{path: path, gens: gens})
		return
	}
	old := f.chains[i].gens
	at := len(old)
	if older {
		at--
	}
	f.chains = slices.Clone(f.chains)
	f.chains[i] = &chain{path: path, gens: slices.Insert(slices.Clone(old), at, gens...)}
}

// retire closes a generation and takes it out of its chain.
func (f *File) retire(n *notifier, path string, g *generation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n != nil {
		n.forget(g)
	}
	i := slices.IndexFunc(f.chains, func(c *chain) bool { return c.path == path })
	if i < 0 || !slices.Contains(f.chains[i].gens, g) {
		return // the lookout has moved it to another chain: it has a name again
	}
	f.without(i, g)
	g.close()
}

// without takes a generation out of the chain at index i.
func (f *File) without(i int, g *generation) {
	c := f.chains[i]
	gens := slices.DeleteFunc(slices.Clone(c.gens), func(o *generation) bool { return o == g })
	f.chains = slices.Clone(f.chains)
	if len(gens) == 0 {
		f.chains = slices.Delete(f.chains, i, i+1)
		return
	}
	f.chains[i] = &chain{path: c.path, gens: gens}
}

// move gives a generation that was renamed to another name of the patterns a
// chain of its own under that name.
func (f *File) move(g *generation, path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.chains, func(c *chain) bool { return slices.Contains(c.gens, g) })
	if i < 0 {
		return // retired just now
	}
	f.without(i, g)
	f.chains = append(slices.Clone(f.chains), &chain{path: path, gens: []*generation{g}})
}

// closeAll closes all files at the end of Run.
func (f *File) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.chains {
		for _, g := range c.gens {
			g.close()
		}
	}
	f.chains = nil
}

// Run follows the files until ctx ends. The first batch may have no lines, only
// a cursor: it says where reading began. Run may be called once.
func (f *File) Run(ctx context.Context, out chan<- Batch) error {
	defer f.closeAll()
	l := newLookout(f)
	l.resume()
	l.scan()

	ctx, cancel := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() { l.run(ctx) })
	r := &fileReader{f: f, l: l, out: out, free: make(chan []byte, maxUnreleased), split: f.cursor.split()}
	for range maxUnreleased {
		r.free <- nil // made when it is needed
	}
	err := r.run(ctx)
	cancel()
	l.close() // ends its wait for inotify
	looking.Wait()
	return err
}
