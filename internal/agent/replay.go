package agent

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// Capture is one log to replay.
type Capture struct {
	// Name is the path, or "-".
	Name string
	// Blocks are its lines.
	Blocks iter.Seq2[sources.Block, error]
	// Written is when the log was last written: the time of lines that have
	// none, on a stream that has had none.
	Written time.Time

	size int64       // of the file when it was opened, in bytes
	file os.FileInfo // nil for stdin
}

// Same tells whether both are one file, by whatever names.
func (c Capture) Same(o Capture) bool {
	return c.file != nil && o.file != nil && os.SameFile(c.file, o.file)
}

// OpenCapture opens the file at path, or stdin for "-".
func OpenCapture(path string, stdin io.Reader, now time.Time) (Capture, error) {
	if path == "-" {
		return Capture{Name: "-", Blocks: sources.ReadLogBlocks("standard input", stdin), Written: now}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return Capture{}, err
	}
	if info.IsDir() {
		return Capture{}, fmt.Errorf("%s is a directory: name the log files in it", path)
	}
	return Capture{Name: path, Blocks: sources.ReadFileBlocks(path), Written: info.ModTime(), size: info.Size(), file: info}, nil
}

// Summary is the end of a replay.
type Summary struct {
	Tally
	// Late and Ignored are events that no jail counted; Held are bans that the
	// eclipse guard stopped.
	Late, Ignored, Held int64
	Bans, Unbans, Hosts int
	// First is the time of the first line that has one, among the first of each
	// capture; Last is that of the last event or the last line, the later. Zero when
	// they have none.
	First, Last time.Time
	// Risks are the holes by which a stranger could have written whole lines.
	Risks parser.Risks
}

// Replay judges captured logs on their own time, as one stream in the order of
// their times: the same lines always give the same decisions, in log time and
// at one time by host. It reads nothing but the captures and changes nothing.
// Where one can't be read to its end the summary is that of what was read.
func Replay(p *parser.Parser, jails *jail.Set, captures []Capture, emit func(jail.Decision) error) (sum Summary, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // see sources.ReadFileBlocks
	defer func() {
		if panicked := recover(); isFault(panicked) {
			err = faultError(captures)
		} else if panicked != nil {
			panic(panicked)
		}
	}()
	return replay(p, jails, captures, emit)
}

func replay(p *parser.Parser, jails *jail.Set, captures []Capture, emit func(jail.Decision) error) (sum Summary, err error) {
	var (
		hosts = newHostSet()
		out   = ordered{emit: emit}
	)
	lanes := make([]*lane, len(captures))
	for i, c := range captures {
		lanes[i] = &lane{capture: c, reader: reader{parser: p, scanner: parser.NewScanner(p), last: c.Written}}
	}
	err = merge(lanes, func(events []parser.Event) error {
		for i := range events {
			hosts.add(events[i].Host)
		}
		return out.add(&sum, jails.ObserveAll(events))
	})
	if err != nil && !slices.ContainsFunc(lanes, func(l *lane) bool { return l.err == err }) {
		return sum, err
	}
	if err != nil && len(lanes) > 1 && hosts.len() == 0 { // before anything was judged
		return sum, err
	}
	unread := err
	for _, l := range lanes {
		sum.add(&l.reader.tally)
		sum.Risks |= l.reader.risks
		first, last := l.span()
		sum.First, sum.Last = earlier(sum.First, first), later(sum.Last, last)
	}
	err = nil
	if !sum.Last.IsZero() {
		err = out.add(&sum, jails.Advance(sum.Last))
	}
	if err == nil {
		err = out.flush()
	}
	sum.Hosts = hosts.len()
	for _, cfg := range jails.Jails() {
		c, _ := jails.Counts(cfg.Name)
		sum.Late += c.Late
		sum.Ignored += c.Ignored + c.Trusted
	}
	return sum, cmp.Or(err, unread)
}

// lane is one capture on its way into the merge.
type lane struct {
	capture Capture
	reader  reader
	err     error
	// first is the time the capture begins, once one of the lines tried has
	// told it; last is the last line so far.
	first time.Time
	tried int
	last  string
	// batch is being filled; spare is the one given last, which is being judged.
	batch, spare []parser.Event
}

// batchEvents is how many events are judged together: enough for the jails to
// have their hosts' memory on its way together, few enough to stay in the
// processor's nearest cache but one.
const batchEvents = 512

// firstLines is how many lines are tried for the time a capture begins.
const firstLines = 100

// events gives the capture's events in batches, at the end of each block one
// even if it is empty. A batch is valid until the next one is asked for, and
// the next one can be made meanwhile: the blocks that their events share memory
// with are valid as long.
func (l *lane) events() iter.Seq[[]parser.Event] {
	return func(yield func([]parser.Event) bool) {
		give := func() bool {
			batch := l.batch
			l.batch, l.spare = l.spare[:0], l.batch
			return yield(batch)
		}
		l.batch, l.spare = make([]parser.Event, 0, batchEvents), make([]parser.Event, 0, batchEvents)
		for b, err := range l.capture.Blocks {
			if err != nil {
				l.err = err // names the file
				return
			}
			if !l.block(b, give) || !give() {
				return
			}
		}
	}
}

// block reads the lines of a block, of which it counts those that need no reading,
// and calls give when a batch is full, until it answers false.
func (l *lane) block(b sources.Block, give func() bool) bool {
	for _, line := range b.Lines {
		l.noteFirst(line)
		if l.read(line); len(l.batch) == batchEvents && !give() {
			return false
		}
	}
	if n := len(b.Lines); n > 0 {
		l.last = strings.Clone(b.Lines[n-1].Text)
	}
	text := b.Text
	for text != "" && l.seeksFirst() {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		l.noteFirst(sources.SplitLine(line))
		if l.read(sources.SplitLine(line)); len(l.batch) == batchEvents && !give() {
			return false
		}
	}
	for line, skipped := range l.reader.scanner.Lines(text) {
		if skipped > 0 {
			l.reader.skip(line, skipped, time.Time{})
			continue
		}
		n := len(l.batch)
		if accepted, known := l.reader.quick(line, time.Time{}, &l.batch[:n+1][n]); accepted {
			l.batch = l.batch[:n+1]
		} else if !known {
			l.read(sources.SplitLine(line))
		}
		if len(l.batch) == batchEvents && !give() {
			return false
		}
	}
	if n := len(b.Text); n > 0 {
		last := sources.SplitLine(b.Text[strings.LastIndexByte(b.Text[:n-1], '\n')+1 : n-1])
		l.last = strings.Clone(last.Text)
	}
	return true
}

// read puts the event of a line into the batch, if it is one.
func (l *lane) read(line sources.Line) {
	if ev, ok := l.reader.read(line, time.Time{}); ok {
		l.batch = append(l.batch, *ev)
	}
}

func (l *lane) seeksFirst() bool { return l.first.IsZero() && l.tried < firstLines }

// noteFirst looks for the time the capture begins.
func (l *lane) noteFirst(line sources.Line) {
	if l.seeksFirst() {
		l.tried++
		l.first = l.timeOf(line.Text)
	}
}

// timeOf is the time that a line states, whatever it says.
func (l *lane) timeOf(text string) time.Time {
	var res parser.Result
	l.reader.parser.Explain(parser.Line{Text: text, Ref: l.reader.last}, &res)
	return res.Record.Time
}

// span is the time the capture covers, as far as its lines tell.
func (l *lane) span() (first, last time.Time) {
	last = l.timeOf(l.last)
	if l.reader.tally.Events > 0 {
		last = later(last, l.reader.last)
	}
	return l.first, last
}

// ordered emits decisions in the order of their time and, at one time, of
// their host; a host's own stay in the order they were made.
type ordered struct {
	emit    func(jail.Decision) error
	pending []jail.Decision // all of one time
}

func (o *ordered) add(sum *Summary, decisions []jail.Decision) error {
	for _, d := range decisions {
		if len(o.pending) > 0 && d.At.After(o.pending[0].At) {
			if err := o.flush(); err != nil {
				return err
			}
		}
		o.pending = append(o.pending, d)
		switch d.Action {
		case jail.Ban:
			sum.Bans++
		case jail.Unban:
			sum.Unbans++
		case jail.Held:
			sum.Held++
		}
	}
	return nil
}

func (o *ordered) flush() error {
	slices.SortStableFunc(o.pending, func(a, b jail.Decision) int { return a.Host.Compare(b.Host) })
	for _, d := range o.pending {
		if err := o.emit(d); err != nil {
			return err
		}
	}
	o.pending = o.pending[:0]
	return nil
}

// earlier and later choose between two times, of which either may be unknown.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
