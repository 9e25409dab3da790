package sources

import (
	"bytes"
	"context"
	"errors"
	"time"
)

const (
	// lingerTime is how long a rotated file is kept open after its last line
	// when its successor is written to: writers reopen late, or several write.
	lingerTime = 5 * time.Minute
	// maxLingering bounds how many rotated files that were read to their end
	// are kept open for one path.
	maxLingering = 16
	// deletedTime is how long a deleted file without a successor is kept open
	// after its last line. Its writer may not know; but held open it takes room
	// on the disk.
	deletedTime = time.Hour
	// removedTime is deletedTime for the log of a container: who removes one has
	// ended its program. It is told as missing when it is not kept open any more.
	removedTime = time.Minute
)

// fileReader reads what the lookout opened and hands it on.
type fileReader struct {
	f   *File
	l   *lookout
	out chan<- Batch
	// buf is what the next chunk is read into, nil while a Batch has it; free are
	// those that were given back, some of them not made yet.
	buf  []byte
	free chan []byte
	// before is scratch space for the bytes before a batch's end.
	before []byte
	// split has the split lines of each path, where frames are taken off.
	split map[string]*pieces
}

// run reads until ctx ends.
func (r *fileReader) run(ctx context.Context) error {
	where := Batch{Source: r.f.opts.Name, Stream: r.f.String()}
	if err := r.send(ctx, where); err != nil {
		return err
	}
	for {
		progress := false
		for _, c := range r.f.current() {
			more, err := r.turn(ctx, c)
			if err != nil {
				return err
			}
			progress = progress || more
		}
		if progress {
			continue
		}
		if err := r.retireOld(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.l.wake:
		}
	}
}

// turn reads one chunk of each file of a chain, old to new, but nothing of a
// file as long as there is more in an older one.
func (r *fileReader) turn(ctx context.Context, c *chain) (progress bool, err error) {
	for _, g := range c.gens {
		if !g.dirty.Swap(false) {
			continue
		}
		if err := r.ready(ctx); err != nil {
			return true, err
		}
		room := len(r.buf)
		data, err := g.read(r.buf)
		r.noteTrouble(c.path, g, err)
		switch {
		case errors.Is(err, errRewritten):
			return true, r.rewritten(ctx, c, g)
		case errors.Is(err, errHole):
			g.dirty.Store(true)
			return true, nil
		case err != nil:
			continue // it is tried again when everything is looked at
		}
		if len(data) == 0 {
			continue
		}
		progress = true
		if err := r.deliver(ctx, c.path, g, data); err != nil {
			return true, err
		}
		if len(data) >= room-recentBytes {
			g.dirty.Store(true)
			return true, nil
		}
	}
	return progress, nil
}

// noteTrouble makes a problem of what keeps a file from being read (a disk or a
// network file system that fails), until a read succeeds.
func (r *fileReader) noteTrouble(path string, g *generation, err error) {
	text := ""
	if err != nil && !errors.Is(err, errRewritten) && !errors.Is(err, errHole) {
		text = "reading " + path + ": " + err.Error()
	}
	if text == g.trouble {
		return
	}
	r.f.solved(g.trouble)
	if g.trouble = text; text != "" && r.f.problem(text) {
		r.f.opts.Log.Warn(text)
	}
}

// ready waits for a buffer to read into.
func (r *fileReader) ready(ctx context.Context) error {
	if r.buf != nil {
		return nil
	}
	select {
	case r.buf = <-r.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	if r.buf == nil {
		r.buf = make([]byte, r.f.chunk)
	}
	return nil
}

// deliver hands on the lines that data, read at g.pos into buf, completes.
func (r *fileReader) deliver(ctx context.Context, path string, g *generation, data []byte) error {
	discarded, end := g.lines.discarded, 0
	for {
		block, n := g.lines.next(data[end:])
		if n == 0 {
			break
		}
		end += n
		r.before = lastBytes(append(r.before[:0], g.recent...), data[:end])
		g.passed(g.pos+int64(end), r.before)
		block = r.unwrap(path, block)
		b := Batch{Source: r.f.opts.Name, Stream: path, Lines: block.Lines, Text: block.Text}
		if bytes.IndexByte(data[end:], '\n') < 0 { // the last of the chunk
			b.memory, b.free, r.buf = r.buf, r.free, nil
		}
		if err := r.send(ctx, b); err != nil {
			return err
		}
	}
	g.lines.begin(data[end:])
	g.advance(data)
	if d := g.lines.discarded - discarded; d > 0 {
		r.f.update(func(s *Stats) { s.Discarded += d })
	}
	return nil
}

// unwrap takes the frames off lines. What is split may go on in the next file of
// the path, so the path has the state.
func (r *fileReader) unwrap(path string, b Block) Block {
	if !r.f.unwrap {
		return b
	}
	p := r.split[path]
	if p == nil {
		p = &pieces{}
		r.split[path] = p
	}
	return p.unwrapAll(b)
}

func (r *fileReader) send(ctx context.Context, b Batch) error {
	b.Cursor = r.f.encodeCursor(r.split)
	r.f.sending(b)
	select {
	case r.out <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rewritten begins a file anew that was emptied. If a copy was made before
// (logrotate's copytruncate), what we had not read yet is read from there. Of a
// rotated file whose successor is in use no more is read: that was not its writer
// but somebody who wanted its name for a copy of the log (cp node.log node.log.1),
// of which every line would count twice, or its room (shred).
func (r *fileReader) rewritten(ctx context.Context, c *chain, g *generation) error {
	r.f.update(func(s *Stats) { s.Truncations++ })
	r.f.opts.Log.Debug("file emptied", "path", c.path, "read", g.pos)
	known := g.known() // a copy of g holds what g held
	p := place{id: g.id, first: g.mark().First, tail: fingerprint(g.recent), at: g.pos}
	var cp *generation
	var after *mark
	o := steadily(c.path, func(s shelf) (o opened) {
		all := s.ordered(known)
		older := olderThan(all, r.f.from(g))
		after = newestMark(older)
		cp, o = r.copied(g, p, all, older)
		return o
	})
	if cp != nil {
		missed := o.gens[1:]
		err := r.drain(ctx, c.path, g, cp)
		cp.close()
		if err != nil {
			return err
		}
		if len(missed) > 0 {
			missed[0].lines, g.lines = g.lines, splitter{broken: true}
			missed[0].lines.broken = missed[0].lines.length > 0
			r.f.extend(c.path, missed, true)
		}
	}
	if !g.named.Load() && succeeded(r.f.from(g)[1:]) {
		r.f.opts.Log.Warn("a file rotated away from " + c.path + " was emptied or written over, and is read no more")
		return r.finish(ctx, c.path, g)
	}
	g.restart(after)
	return nil
}

// succeeded says that a rotated file's writer has gone on to the next; newer are
// the files that came after it.
func succeeded(newer []*generation) bool {
	return len(newer) > 0 && newer[len(newer)-1].begun
}

// copied opens the copy of g that was made before g was emptied, behind what was
// read of g, and those that were made after it. If g was rotated away since, only
// the older ones: what came after g is for the lookout to open.
func (r *fileReader) copied(g *generation, p place, all, older []rotated) (cp *generation, o opened) {
	i, cp := p.find(all, since(all, g.after.Load()))
	if cp == nil {
		return nil, o
	}
	o.gens = []*generation{cp}
	if i < len(older) {
		o.whole(*newestMark(older[:i+1]), newerThan(older, i), g, r.f.open())
	}
	return cp, o
}

// drain reads a copy of g to its end as if it were g. A copy that vanishes, or whose
// disk fails, takes its rest with it.
func (r *fileReader) drain(ctx context.Context, path string, g, cp *generation) error {
	for {
		if err := r.ready(ctx); err != nil {
			return err
		}
		data, err := cp.read(r.buf)
		if err != nil {
			r.f.lost("what " + path + " held before it was emptied can't be read to its end in the copy: " + err.Error())
			return nil
		}
		if len(data) == 0 {
			return nil
		}
		if err := r.deliver(ctx, path, g, data); err != nil {
			return err
		}
		cp.advance(data)
	}
}

// retireOld closes the files of which nothing more is expected. It is called
// when all were read to their ends.
func (r *fileReader) retireOld(ctx context.Context) error {
	for _, c := range r.f.current() {
		for i, g := range c.gens {
			if g.dirty.Load() || g.named.Load() || !r.f.over(g, c.gens[i+1:]) {
				continue
			}
			if err := r.finish(ctx, c.path, g); err != nil {
				return err
			}
			if len(c.gens) == 1 {
				delete(r.split, c.path)
			}
		}
	}
	return nil
}

// finish hands on the line that has begun in a file and closes it.
func (r *fileReader) finish(ctx context.Context, path string, g *generation) error {
	if line, ok := g.lines.rest(); ok {
		line.Cut = true // nobody will end it
		g.passed(g.pos, g.recent)
		b := Batch{Source: r.f.opts.Name, Stream: path, Lines: []Line{line}}
		if err := r.send(ctx, b); err != nil {
			return err
		}
	}
	r.noteTrouble(path, g, nil)
	r.f.retire(r.l.n, path, g)
	return nil
}

// over says that nothing more is expected of a file read to its end; newer are
// the files that came after it.
func (f *File) over(g *generation, newer []*generation) bool {
	idle := time.Since(g.grew)
	if len(newer) == 0 {
		return idle > f.deleted && g.deleted()
	}
	if g.archive != nil || len(newer) > maxLingering {
		return true
	}
	return idle > f.linger && succeeded(newer)
}
