package parser

import (
	"slices"
	"strings"
)

// Pieces remembers of one log in which of the streams inside it a line is
// unfinished. Carriers split long lines, and only the first piece begins with
// what the node wrote: the others begin wherever a stranger, who chose the
// length of what stands before, wants them to. The zero Pieces is for a log
// that is read from its beginning. It is not safe for concurrent use.
type Pieces struct {
	// open are the unfinished lines, the oldest first.
	open []unfinished
	// lost is set when any stream may have an unfinished line; since are those
	// that have had a line after that.
	lost  bool
	since []lineStream
	// look reads the carriers of lines that Parse passed over.
	look *Result
}

// lineStream is where the pieces of a line follow one another: standard output
// and standard error of a container are two. Only the outermost carrier's word
// counts, for in a piece a stranger can write what looks like another one. The
// zero lineStream is that of lines whose carrier names none.
type lineStream struct {
	name string
	// process is set where several may write to one stream: after another one
	// broke in, the rest of a process's line comes with its next line.
	process string
	// marks is set when the carrier marks the pieces of a line.
	marks bool
}

// unfinished is a line whose rest is the next line of its stream, or the next of any
// if the stream is the zero one.
type unfinished struct {
	lineStream
	// size is the line's length where its carrier cut it without a mark, else 0. Of
	// its rest only the last piece is shorter.
	size int
	// of is the line's own stream where the rest may come under any head, after as many
	// lines of other streams as among says, but not after one of of.
	of    lineStream
	among int
}

// maxAmong bounds the lines of other streams that are refused for a rest which may come
// under any head. Of a line that comes to rsyslog (8.2302) over TCP it writes the rest
// under the head that the rest begins with, and before it what others sent between two
// packets: seldom anything.
const maxAmong = 16

// whole is the stream of all processes that write to it.
func (s lineStream) whole() lineStream {
	s.process = ""
	return s
}

// maxOpenStreams bounds the streams remembered. A log has a handful; the oldest
// makes room.
const maxOpenStreams = 64

// Lost says that what stands before the next line was not seen: the first line
// of each stream whose carrier marks pieces may be the rest of one.
func (p *Pieces) Lost() { p.lost, p.since = true, nil }

// Settle makes res, as l was just read into it, Cut if l is the rest of an
// unfinished line. It must be called for every line, or Skip for those that a
// Scanner passed over.
func (p *Pieces) Settle(l *Line, res *Result) {
	var found rest
	if p.mayContinue(l.Text) {
		if found = p.rest(l.Text, p.stream(l, res)); found.is {
			res.Reject, res.Detail, res.Column = Cut, "the line continues one that its carrier split", 0
			res.Event, res.Risk = Event{}, 0
		}
	}
	switch {
	case !res.Continues, found.last, found.told && !res.told:
	case res.blind:
		p.Lost()
	default:
		p.continues(l, res, &found)
	}
}

// continues notes that l is unfinished.
func (p *Pieces) continues(l *Line, res *Result, found *rest) {
	size, stream := 0, res.stream.whole()
	if res.unmarked {
		size = len(l.Text)
	}
	p.expect(unfinished{lineStream: stream, size: size})
	if res.interrupted {
		p.expect(unfinished{lineStream: res.stream, size: size})
	}
	switch {
	case found.bare:
		p.expect(unfinished{size: size})
	case res.unmarked && !res.journald && stream.name != "":
		p.expect(unfinished{size: size, of: stream, among: maxAmong})
	}
}

// mayContinue is false for a line that can't be the rest of an unfinished one.
func (p *Pieces) mayContinue(line string) bool {
	if slices.ContainsFunc(p.open, func(o unfinished) bool { return !o.marks }) {
		return true
	}
	return (len(p.open) > 0 || p.lost) && mayMark(line)
}

// mayMark is false for a line whose carrier, if it has one, does not mark pieces:
// those that do are JSON and that of Kubernetes, where the stream's name is the
// second word. Taking the carriers off ordinary lines took a fifth of what
// following a file took.
func mayMark(line string) bool {
	return line != "" && (line[0] == '{' || strings.HasPrefix(line[max(strings.IndexByte(line, ' '), 0):], " std"))
}

// Open tells whether a line without a carrier's word on it may be the rest of one.
func (p *Pieces) Open() bool {
	return slices.ContainsFunc(p.open, func(o unfinished) bool { return o.lineStream == lineStream{} })
}

// Skip is Settle for lines, each with its newline, of which Parse would look
// into none. It says how many of them are the rests of unfinished ones, and Cut.
func (p *Pieces) Skip(lines string) (cut int) {
	for lines != "" && (len(p.open) > 0 || p.lost) {
		var l Line
		l.Text, lines, _ = strings.Cut(lines, "\n")
		if !p.mayContinue(l.Text) {
			continue
		}
		l.Text = strings.TrimSuffix(l.Text, "\r")
		if p.rest(l.Text, p.stream(&l, nil)).is {
			cut++
		}
	}
	return cut
}

// stream gives the stream of a line, which Parse may have passed over.
func (p *Pieces) stream(l *Line, res *Result) lineStream {
	if res != nil && (res.Reject != Unrecognised || res.stream != (lineStream{})) {
		return res.stream
	}
	if p.look == nil {
		p.look = new(Result)
	}
	p.look.reset()
	unwrap(l.Text, p.look)
	return p.look.stream
}

// rest is what a line may be of the unfinished ones.
type rest struct {
	is bool // the rest of one
	// told is set where the carrier of that one has said so.
	told bool
	// bare is set where the unfinished line has no head: one that this line begins with
	// is a stranger's.
	bare bool
	// last is set where it is the last piece: it is shorter than the one before, which
	// was cut without a mark. Whatever else a stranger has it look like, nothing follows.
	last bool
}

// rest finds what a line of stream at is the rest of, which it then ends.
func (p *Pieces) rest(text string, at lineStream) (found rest) {
	whole, zero := at.whole(), lineStream{}
	size := 0 // of the pieces of which this may be another one
	open := p.open[:0]
	for _, o := range p.open {
		if o.lineStream != zero && o.lineStream != at && o.lineStream != whole {
			open = append(open, o)
			continue
		}
		found.is, found.told = true, found.told || o.marks
		bare := o.lineStream == zero && o.of == zero
		found.bare = found.bare || bare
		switch {
		case o.asLong(text):
			size = max(size, o.size)
		// Under the head of another stream it may be a whole line of that.
		case (bare || o.lineStream != zero) && o.size >= minPiece && len(text) < alwaysRead:
			found.last = true
		}
		if o.among > 0 && whole.name != "" && whole != o.of {
			o.among--
			open = append(open, o)
		}
	}
	clear(p.open[len(open):])
	p.open = open
	if p.lost && at.marks && !slices.Contains(p.since, whole) {
		p.since = remember(p.since, whole.clone())
		found.is = true
	}
	if size > 0 {
		found.last = false
		p.expect(unfinished{lineStream: whole, size: size})
		if found.bare {
			whole = zero
		}
		p.expect(unfinished{size: size, of: whole})
	}
	return found
}

// minPiece is the least length of a line that something is known to have cut: RFC 3164
// §4.1 allows 1024 bytes. Lines that are shorter are many.
const minPiece = 900

// asLong tells by its length whether a piece is not the last one of a line that is cut
// without marks. The head before each of them, with the time, hardly changes that, nor
// do the tabs and the colour of the first one, each of which rsyslog writes as four
// characters.
func (u *unfinished) asLong(piece string) bool {
	const heads = 32
	return u.size >= minPiece && len(piece) >= u.size-heads
}

// expect notes an unfinished line. It copies what shares the line's memory.
func (p *Pieces) expect(u unfinished) {
	if !slices.Contains(p.open, u) {
		u.lineStream, u.of = u.lineStream.clone(), u.of.clone()
		p.open = remember(p.open, u)
	}
}

func (s lineStream) clone() lineStream {
	s.name, s.process = strings.Clone(s.name), strings.Clone(s.process)
	return s
}

// remember appends to a list that is bounded.
func remember[T any](list []T, x T) []T {
	if len(list) == maxOpenStreams {
		list = slices.Delete(list, 0, 1)
	}
	return append(list, x)
}
