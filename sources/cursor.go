package sources

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// cursorVersion is the form of a file cursor written by this version:
//
//	{"v":1,"names":["/var/log/*.log"],"files":[{"path":"/var/log/n.log","dev":1,"ino":2,"first":"…","tail":"…","at":3}]}
//
// One entry for each generation of each path, old to new. first and tail are
// fingerprints of the first line and of the (at most recentBytes) bytes before
// at: device and inode alone don't tell a new file that was given the inode of
// a deleted one, nor a file that was emptied and grew again.
const cursorVersion = 1

type fileCursor struct {
	Version int `json:"v"`
	// Names are what was followed, as it was configured. Older versions wrote none.
	Names []string    `json:"names,omitempty"`
	Files []fileEntry `json:"files"`
}

type fileEntry struct {
	Path  string `json:"path"`
	Dev   uint64 `json:"dev"`
	Ino   uint64 `json:"ino"`
	First string `json:"first,omitempty"`
	Tail  string `json:"tail,omitempty"`
	At    int64  `json:"at"`
	// Empty says that there was nothing in the file.
	Empty bool `json:"empty,omitempty"`
	// Holds tells the file from others while nothing was read of it, if it was
	// rotated away before.
	Holds *mark `json:"holds,omitempty"`
	// After is the newest rotated file at the time when this one was begun:
	// where the file can't be found, what came after it still can.
	After *mark `json:"after,omitempty"`
	// Split are the streams of a container whose next line continues a split
	// one: without them, a restart would make a believable line of it.
	Split pieces `json:"split,omitempty"`
}

// mark is a file by which others are told to be newer. A zero mark is older than
// all.
type mark struct {
	Ino   uint64 `json:"ino"`
	First string `json:"first,omitempty"`
	// At is some place in it, Tail the fingerprint of the bytes before that: logs
	// may all begin with the same line. Older versions wrote neither.
	At   int64  `json:"at,omitempty"`
	Tail string `json:"tail,omitempty"`
}

func (m mark) place() place {
	return place{first: m.First, tail: m.Tail, at: m.At}
}

func (e fileEntry) place() place {
	return place{id: fileID{e.Dev, e.Ino}, first: e.First, tail: e.Tail, at: e.At}
}

// mark is that of the file of the entry.
func (e fileEntry) mark() mark {
	if e.Holds != nil {
		return *e.Holds
	}
	return mark{Ino: e.Ino, First: e.First, At: e.At, Tail: e.Tail}
}

func parseFileCursor(text string) (fileCursor, error) {
	var c fileCursor
	if text == "" {
		return c, nil
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return c, fmt.Errorf("file cursor: %w", err)
	}
	if c.Version != cursorVersion {
		return c, fmt.Errorf("file cursor has version %d, this program writes and reads %d", c.Version, cursorVersion)
	}
	for _, e := range c.Files {
		if e.At < 0 {
			return c, fmt.Errorf("file cursor: negative offset for %s", e.Path)
		}
	}
	return c, nil
}

// encode returns the generation's entry. It is kept until the generation moves,
// for every batch carries the entries of all files.
func (g *generation) encode(path string, split *pieces) []byte {
	if g.encoded == nil || g.encodedFor != path || split != nil || g.at.Load() == 0 {
		m := g.mark()
		e := fileEntry{Path: path, Dev: g.id.dev, Ino: g.id.ino, First: m.First, At: g.at.Load(), After: g.after.Load()}
		if e.At > 0 {
			e.Tail = m.Tail
		} else if m.At > 0 {
			e.Holds = &m
		}
		e.Empty = g.pos == 0 && g.size() == 0
		if split != nil {
			e.Split = *split
		}
		b, err := json.Marshal(e)
		if err != nil { // a struct of strings and numbers always marshals
			panic(err)
		}
		g.encoded, g.encodedFor = b, path
	}
	return g.encoded
}

// split returns the streams that have a split line, by path.
func (c fileCursor) split() map[string]*pieces {
	split := map[string]*pieces{}
	for _, e := range c.Files {
		split[e.Path] = &e.Split
	}
	return split
}

// cursorHead is how the cursors of what the finders find begin.
func cursorHead(finders []finder) string {
	names, err := json.Marshal(finderNames(finders))
	if err != nil { // strings always marshal
		panic(err)
	}
	return `{"v":` + strconv.Itoa(cursorVersion) + `,"names":` + string(names) + `,"files":[`
}

// encodeCursor joins the entries of all chains.
func (f *File) encodeCursor(split map[string]*pieces) string {
	b := []byte(f.head)
	empty := len(b)
	for _, c := range f.current() {
		for _, g := range c.gens {
			if len(b) > empty {
				b = append(b, ',')
			}
			b = append(b, g.encode(c.path, split[c.path])...)
		}
	}
	return string(append(b, ']', '}'))
}
