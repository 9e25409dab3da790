package parser

import (
	"strings"
	"time"
)

// shapeLayout is how one format writes a canonical record: by it a shape is
// put together from the record's parts.
type shapeLayout struct {
	pre      string // before the stamp
	zoneEnd  byte   // what follows the stamp's zone
	head     string // from there to the peer id
	noPeer   string // an empty peer id
	quote    string // before and after a quoted value
	end      string // after the record's last field
	err      errForm
	bareWord bool // values are quoted only where slog must
}

// shapeLayoutOf gives the layout in which res's line must be written, if it
// is of a known one.
func shapeLayoutOf(res *Result) (l shapeLayout, ok bool) {
	rec := &res.Record
	switch res.format {
	case fmtSlogText:
		return shapeLayout{
			pre: "time=", zoneEnd: ' ',
			head:   " level=" + rec.Level + " source=" + rec.Source + " msg=" + rec.Tag + " peer=",
			noPeer: `""`, quote: `"`, err: errSlog, bareWord: true,
		}, true
	case fmtGoLogConsole:
		return shapeLayout{
			zoneEnd: '\t',
			head:    "\t" + rec.Level + "\t" + rec.Logger + "\t" + rec.Source + "\t" + rec.Tag + ": peer=",
			quote:   `"`, err: errConsole,
		}, true
	case fmtGoLogJSON:
		return shapeLayout{
			pre: `{"level":"` + rec.Level + `","ts":"`, zoneEnd: '"',
			head:  `","logger":"` + rec.Logger + `","caller":"` + rec.Source + `","msg":"` + rec.Tag + `: peer=`,
			quote: `\"`, end: `"}`, err: errJSON,
		}, true
	}
	return shapeLayout{}, false
}

// shape gives the shape of text, which was read into rec, if it is written in
// the layout to the byte.
func (l *shapeLayout) shape(text string, rec *Record) (shape, shapeTail, bool) {
	var none shapeTail
	rest, ok := strings.CutPrefix(text, l.pre)
	at := readStamp(rest[:min(stampLen, len(rest))], 'T')
	f := rec.Fields
	if !ok || at.n != stampLen || at.t.Nanosecond()%1e6 != 0 || len(f) < 3 || f[0].Key != "peer" || f[1].Key != "addr" {
		return shape{}, none, false
	}
	zone := strings.IndexByte(rest[stampLen:], l.zoneEnd)
	if zone < 1 {
		return shape{}, none, false
	}
	// A zone that can't be read leaves the line its carrier's time, or none.
	if whole := readStamp(rest[:stampLen+zone], 'T'); whole.n != stampLen+zone || !whole.zoned || !whole.t.Equal(rec.Time) {
		return shape{}, none, false
	}
	rest = rest[stampLen:]
	s := shape{pre: []byte(l.pre), peer: f[0].Value != "", early: int64(at.t.Sub(rec.Time) / time.Second)}
	want := l.head
	if !s.peer {
		want += l.noPeer + afterID
	}
	if rest, ok = strings.CutPrefix(rest[zone:], want); !ok {
		return shape{}, none, false
	}
	s.head = []byte(text[len(l.pre)+stampLen : len(text)-len(rest)])
	peer, addr, tail, ok := s.split(rest)
	if !ok || peer != f[0].Value || addr != f[1].Value {
		return shape{}, none, false
	}
	return s, l.tail(tail, rec), true
}

// tail gives the tail's shape: with any error where the error is the last
// field and quoted, else the text as it stands.
func (l *shapeLayout) tail(text string, rec *Record) shapeTail {
	last := len(rec.Fields) - 1
	if rec.Tag == tagStatus && rec.Fields[last].Key == "err" {
		var b strings.Builder
		for i := range rec.Fields[2:last] {
			f := &rec.Fields[2+i]
			q := l.quote
			if l.bareWord || i == 0 {
				q = ""
			}
			b.WriteString(" " + f.Key + "=" + q + f.Value + q)
		}
		b.WriteString(" err=" + l.quote)
		if rest, ok := strings.CutPrefix(text, b.String()); ok && l.err.fits(rest) {
			return shapeTail{text: []byte(b.String()), err: l.err}
		}
	}
	return shapeTail{text: []byte(text)}
}

// errForm is how the quoted error at the end of a line is written.
type errForm uint8

const (
	errNone errForm = iota
	errSlog
	errConsole
	errJSON
)

// fits tells whether s is the rest of a line from within the quotes of its
// last value, all printable ASCII with the commonest escapes.
func (e errForm) fits(s string) bool {
	end, escapes := `"`, goEscapes[:]
	if e == errJSON {
		end, escapes = `\""}`, goEscapesInJSON[:]
	}
	// slog quotes what it must and nothing else.
	must := e != errSlog || s == end || strings.IndexByte(s, ' ') >= 0 || strings.IndexByte(s, '=') >= 0
	for {
		s = s[run(s, plainByte):]
		if s == end {
			return must
		}
		found := ""
		for _, esc := range escapes {
			if strings.HasPrefix(s, esc) {
				found = esc
				break
			}
		}
		if found == "" {
			return false
		}
		must = must || found != `\\`
		s = s[len(found):]
	}
}

// goEscapes are the commonest that strconv.Quote writes, and the same as JSON
// then writes them.
var (
	goEscapes       = [...]string{`\"`, `\n`, `\t`, `\r`, `\\`}
	goEscapesInJSON = [...]string{`\\\"`, `\\n`, `\\t`, `\\r`, `\\\\`}
)
