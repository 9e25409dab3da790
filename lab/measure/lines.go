package measure

import (
	"bytes"
	"io"
)

// Lines makes a writer that calls each for every whole line it is given,
// without its newline. The line is valid until each returns.
func Lines(each func(line []byte)) io.Writer { return &lines{each: each} }

type lines struct {
	each func([]byte)
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			l.rest = append([]byte(nil), l.rest...) // lets go of what was read
			return len(p), nil
		}
		l.each(line)
		l.rest = rest
	}
}
