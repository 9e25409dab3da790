package sources

import (
	"context"
	"time"
)

const (
	// lookEvery is how often all names and files are looked at, whatever
	// inotify says: network and FUSE file systems don't tell us about changes.
	lookEvery = time.Second
	// pollEvery replaces it where there is no inotify at all.
	pollEvery = 50 * time.Millisecond
	// maxFiles bounds the paths one source follows.
	maxFiles = 1024
	// maxGenerations bounds the files held open for one path. When a reader is
	// as far behind as that, the next ones are found by their rotated names
	// once it has caught up.
	maxGenerations = 64
)

// lookout watches the names: it opens each new file at once, also while the
// reader is blocked, because after the next rotation there may be no name left
// to open it by.
type lookout struct {
	f *File
	n *notifier // nil where inotify is exhausted
	// wake has room for one token: there is something to read.
	wake chan struct{}
	// began is set after the first scan: what appears then is new.
	began bool
	// told is set once the log has word of files that are looked at regularly.
	told bool
}

func newLookout(f *File) *lookout {
	l := &lookout{f: f, wake: make(chan struct{}, 1)}
	n, err := f.notify()
	if err != nil {
		l.tellPolled(pollEvery, err)
		return l
	}
	l.n = n
	return l
}

// tellPolled says in the log why files are looked at regularly. It is no problem of
// the source: every line is read all the same, a little later.
func (l *lookout) tellPolled(every time.Duration, err error) {
	if l.told {
		return
	}
	l.told = true
	l.f.opts.Log.Warn("looking at files every "+every.String()+" instead of being told of changes", "source", l.f.opts.Name, "error", err)
}

func (l *lookout) close() {
	if l.n != nil {
		l.n.close()
	}
}

// run scans the names and wakes the reader whenever something changed.
func (l *lookout) run(ctx context.Context) {
	buf := make([]byte, 64<<10)
	next := nextLook()
	for ctx.Err() == nil {
		names, files, err := l.wait(ctx, buf, next)
		if err != nil {
			return // closed: ctx has ended
		}
		if !time.Now().Before(next) {
			next = nextLook()
			names, files = true, true
			l.allDirty()
		}
		if names && l.scan() {
			files = true
		}
		if files {
			l.wakeReader()
		}
	}
}

// nextLook is when everything is looked at again: at a whole second, so that the
// lookouts of many sources wake the processor together.
func nextLook() time.Time {
	now := time.Now()
	return now.Add(lookEvery - time.Duration(now.UnixNano())%lookEvery)
}

// wait returns at the latest at the time of the next look at everything.
func (l *lookout) wait(ctx context.Context, buf []byte, next time.Time) (names, files bool, err error) {
	if l.n != nil {
		return l.n.wait(buf, next)
	}
	select {
	case <-ctx.Done():
		return false, false, ctx.Err()
	case <-time.After(pollEvery):
		l.allDirty()
		return true, true, nil
	}
}

func (l *lookout) wakeReader() {
	select {
	case l.wake <- struct{}{}:
	default: // a token is there already
	}
}

func (l *lookout) allDirty() {
	for _, c := range l.f.current() {
		for _, g := range c.gens {
			g.dirty.Store(true)
		}
	}
}

// watchFile asks to be told of changes; without that the file is looked at
// every lookEvery.
func (l *lookout) watchFile(g *generation) {
	if l.n == nil || g.archive != nil {
		return
	}
	if err := l.n.watchFile(g); err != nil {
		l.tellPolled(lookEvery, err)
	}
}
