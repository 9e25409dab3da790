package agent

import (
	"fmt"
	"io"
	"iter"
	"os"
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
}

// OpenCapture opens the file at path, or stdin for "-".
func OpenCapture(path string, stdin io.Reader, now time.Time) (Capture, error) {
	if path == "-" {
		return Capture{Name: "-", Blocks: sources.ReadBlocks(stdin), Written: now}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return Capture{}, err
	}
	if info.IsDir() {
		return Capture{}, fmt.Errorf("%s is a directory: name the log files in it", path)
	}
	return Capture{Name: path, Blocks: sources.ReadFileBlocks(path), Written: info.ModTime()}, nil
}

// Summary is the end of a replay.
type Summary struct {
	Tally
	// Late and Ignored are events that no jail counted; Held are bans that the
	// eclipse guard stopped.
	Late, Ignored, Held int64
	Bans, Unbans, Hosts int
	// First and Last are the times of the first and the last line that have one.
	First, Last time.Time
	// Risks are the holes by which a stranger could have written whole lines.
	Risks parser.Risks
}

// Replay judges captured logs on their own time, as one stream in the order of
// their times: the same lines always give the same decisions, in log time and
// at one time by host. It reads nothing but the captures and changes nothing.
func Replay(p *parser.Parser, jails *jail.Set, captures []Capture, emit func(jail.Decision) error) (Summary, error) {
	var (
		sum   Summary
		hosts = newHostSet()
		out   = ordered{emit: emit}
	)
	lanes := make([]*lane, len(captures))
	for i, c := range captures {
		lanes[i] = &lane{capture: c, reader: reader{parser: p, scanner: parser.NewScanner(p), last: c.Written}}
	}
	err := merge(lanes, func(ev *parser.Event) error {
		hosts.add(ev.Host)
		return out.add(&sum, jails.Observe(*ev))
	})
	if err != nil {
		return sum, err
	}
	for _, l := range lanes {
		sum.add(&l.reader.tally)
		sum.Risks |= l.reader.risks
		first, last := l.span()
		sum.First, sum.Last = earlier(sum.First, first), later(sum.Last, last)
	}
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
	return sum, err
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
}

// firstLines is how many lines are tried for the time a capture begins.
const firstLines = 100

// events gives the capture's events with the latest time so far, by which
// captures are merged: a stray old line must not hold its file back. An event
// is valid until the next one is asked for.
func (l *lane) events() iter.Seq2[time.Time, *parser.Event] {
	return func(yield func(time.Time, *parser.Event) bool) {
		var latest time.Time
		read := func(line sources.Line) bool {
			ev, ok := l.reader.read(line, time.Time{})
			if !ok {
				return true
			}
			latest = later(latest, ev.Time)
			return yield(latest, ev)
		}
		for b, err := range l.capture.Blocks {
			if err != nil {
				l.err = fmt.Errorf("reading %s: %w", l.capture.Name, err)
				return
			}
			if !l.block(b, read) {
				return
			}
		}
	}
}

// block gives the lines of a block to read, until it answers false, and counts
// those that need no reading.
func (l *lane) block(b sources.Block, read func(sources.Line) bool) bool {
	for _, line := range b.Lines {
		l.noteFirst(line)
		if !read(line) {
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
		if !read(sources.SplitLine(line)) {
			return false
		}
	}
	for line, skipped := range l.reader.scanner.Lines(text) {
		if skipped > 0 {
			l.reader.skip(skipped)
		} else if !read(sources.SplitLine(line)) {
			return false
		}
	}
	if n := len(b.Text); n > 0 {
		last := sources.SplitLine(b.Text[strings.LastIndexByte(b.Text[:n-1], '\n')+1 : n-1])
		l.last = strings.Clone(last.Text)
	}
	return true
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

// merge hands out the events of all lanes, the one with the earliest time
// first, and of equals that of the earlier lane.
func merge(lanes []*lane, each func(*parser.Event) error) error {
	if len(lanes) == 1 { // no need to switch between coroutines for each event
		for _, ev := range lanes[0].events() {
			if err := each(ev); err != nil {
				return err
			}
		}
		return lanes[0].err
	}
	type head struct {
		at   time.Time
		ev   *parser.Event
		next func() (time.Time, *parser.Event, bool)
		lane *lane
	}
	var heads []*head
	for _, l := range lanes {
		next, stop := iter.Pull2(l.events())
		defer stop()
		h := &head{next: next, lane: l}
		var ok bool
		if h.at, h.ev, ok = next(); ok {
			heads = append(heads, h)
		} else if l.err != nil {
			return l.err
		}
	}
	for len(heads) > 0 {
		i := 0
		for k, h := range heads {
			if h.at.Before(heads[i].at) {
				i = k
			}
		}
		h := heads[i]
		if err := each(h.ev); err != nil {
			return err
		}
		var ok bool
		if h.at, h.ev, ok = h.next(); !ok {
			if h.lane.err != nil {
				return h.lane.err
			}
			heads = slices.Delete(heads, i, i+1)
		}
	}
	return nil
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
