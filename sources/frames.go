package sources

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// pieces are the streams of one container whose next line continues a split
// one.
type pieces []string

// containerStreams are all there are.
var containerStreams = []string{"stdout", "stderr"}

// unwrap takes the runtime's frame off a line. What has no such frame is no line
// of the container; it is handed on as it is, Cut, to be seen.
func (p *pieces) unwrap(l Line) Line {
	f, ok := frameOf(l.Text)
	if !ok || l.Cut {
		l.Cut, l.Head = true, l.Head && len(*p) == 0
		*p = slices.Clone(containerStreams) // any of them may have been split
		return l
	}
	continues := slices.Contains(*p, f.stream)
	*p = slices.DeleteFunc(slices.Clone(*p), func(s string) bool { return s == f.stream })
	if !f.whole {
		*p = append(*p, f.stream)
	}
	cut := continues || !f.whole || strings.Contains(f.text, "\n")
	return Line{Text: strings.TrimSuffix(f.text, "\r"), Time: f.at, Cut: cut, Head: cut && !continues}
}

// unwrapAll takes the frames off the lines of a Block, and copies them; without
// pieces there are none.
func (p *pieces) unwrapAll(b Block) Block {
	if p == nil {
		return b
	}
	b.Text = strings.Clone(b.Text)
	lines := b.all()
	for i := range lines {
		lines[i] = p.unwrap(lines[i])
	}
	return Block{Lines: lines}
}

// framed says whether a line has a container runtime's frame.
func framed(l Line) bool {
	_, ok := frameOf(l.Text)
	return ok
}

// frame is a line of a container as its runtime put it into the log.
type frame struct {
	stream string // one of containerStreams
	text   string
	at     time.Time // when the runtime read it
	whole  bool      // text reaches to the end of the line that the program wrote
}

// frameOf reads a frame of either kind; ok is false for a line without one.
func frameOf(line string) (f frame, ok bool) {
	if f, ok = dockerFrame(line); ok {
		return f, true
	}
	return criFrame(line)
}

// dockerFrame reads {"log":"text\n","stream":"stderr","time":"…"} (Docker,
// daemon/logger/jsonfilelog/jsonlog): a part of a longer line has no newline.
func dockerFrame(line string) (f frame, ok bool) {
	if !strings.HasPrefix(line, "{") {
		return frame{}, false
	}
	var j struct {
		Log    *string   `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}
	if err := json.Unmarshal([]byte(line), &j); err != nil || j.Log == nil || !slices.Contains(containerStreams, j.Stream) {
		return frame{}, false
	}
	text, whole := strings.CutSuffix(*j.Log, "\n")
	return frame{j.Stream, text, j.Time, whole}, true
}

// criFrame reads "TIME STREAM TAGS text" (Kubernetes, CRI logging format): of
// the tags, separated by colons, the first is P for a part and F for a line or
// its last part.
func criFrame(line string) (f frame, ok bool) {
	stamp, rest, _ := strings.Cut(line, " ")
	stream, rest, _ := strings.Cut(rest, " ")
	tags, text, _ := strings.Cut(rest, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	tag, _, _ := strings.Cut(tags, ":")
	if err != nil || !slices.Contains(containerStreams, stream) || tag != "P" && tag != "F" {
		return frame{}, false
	}
	return frame{stream, text, at, tag == "F"}, true
}
