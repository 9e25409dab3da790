package sources

import (
	"fmt"
	"iter"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// rotated is a file beside a log whose name says that it was rotated away from
// it: log.1, log.2.gz, log-20260101, log.old (logrotate), node-2026-01-01T00-00-00.000.log
// (lumberjack), 0.log.20260101-120000 (kubelet).
type rotated struct {
	path string
	// id is the file that had the name when it was listed.
	id fileID
	// order sorts from old to new within one naming scheme.
	order string
	// packed is set for a compressed file.
	packed bool
}

// Each is compiled when a name is first asked for: a command that follows no log starts
// without.
var (
	// afterName is what rotation appends to the whole name.
	afterName = expression(`^(?:\.([0-9]{1,4})|[.\-_]([0-9][0-9TZ:.+_\-]{5,40})|\.(old|bak|prev))(\.(?:gz|bz2|xz|zst|lz4|Z))?$`)
	// insideName is what rotation puts between stem and extension: dates only,
	// for node-1.log beside node.log is more likely a second node.
	insideName = expression(`^[.\-_]([0-9][0-9TZ:.+_\-]{7,40})$`)
	packedName = expression(`\.(?:gz|bz2|xz|zst|lz4|Z)$`)
)

func expression(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// rotatedFrom says whether name was rotated away from the log called base, and
// where it stands among its like.
func rotatedFrom(base, name string) (rotated, bool) {
	if rest, ok := strings.CutPrefix(name, base); ok && rest != "" {
		m := afterName().FindStringSubmatch(rest)
		if m == nil {
			return rotated{}, false
		}
		r := rotated{packed: m[4] != ""}
		switch {
		case m[1] != "": // the higher the number, the older
			r.order = fmt.Sprintf("index %05d", 99999-atoi(m[1]))
		case m[2] != "":
			r.order = "date " + m[2]
		default:
			r.order = "word"
		}
		return r, true
	}
	ext := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	if ext == "" || !strings.HasPrefix(name, stem) { // nearly all other names in a directory
		return rotated{}, false
	}
	packed := packedName().FindString(name)
	inside, ok := strings.CutPrefix(strings.TrimSuffix(name, packed), stem)
	if !ok || !strings.HasSuffix(inside, ext) {
		return rotated{}, false
	}
	m := insideName().FindStringSubmatch(strings.TrimSuffix(inside, ext))
	if m == nil {
		return rotated{}, false
	}
	return rotated{packed: packed != "", order: "date " + m[1]}, true
}

// basesOf gives the names of all logs that a file called name may have been rotated
// away from: rotatedFrom knows which of them.
func basesOf(name string) iter.Seq[string] {
	ext := filepath.Ext(strings.TrimSuffix(name, packedName().FindString(name)))
	return func(yield func(string) bool) {
		for i := range len(name) {
			if strings.IndexByte(".-_", name[i]) >= 0 && !(yield(name[:i]) && yield(name[:i]+ext)) {
				return
			}
		}
	}
}

// atoi reads at most four digits.
func atoi(digits string) (n int) {
	for _, d := range digits {
		n = n*10 + int(d-'0')
	}
	return n
}

// orient reverses the order of the numbered files in all where the numbers count up.
// Most programs that rotate give the newest file the lowest number (log.1), some the
// highest. The names don't tell which, but two files do if we know which of them came
// first: known has the marks of such files, old to new. A zero mark comes before all
// files.
func orient(all []rotated, known []mark) {
	from := slices.IndexFunc(all, rotated.numbered)
	if from < 0 {
		return
	}
	numbered := all[from:]
	if end := slices.IndexFunc(numbered, func(r rotated) bool { return !r.numbered() }); end >= 0 {
		numbered = numbered[:end]
	}
	first := -1 // where the oldest file that we know of stands
	for k, m := range known {
		i := onlyIndexOf(numbered, m)
		switch {
		case i < 0:
			continue
		case first < 0 && k > 0 && known[k-1] == (mark{}):
			// Nothing is older than this one.
			if i > 0 && i == len(numbered)-1 {
				slices.Reverse(numbered)
			}
			return
		case first < 0:
			first = i
		case i != first:
			if i < first {
				slices.Reverse(numbered)
			}
			return
		}
	}
}

func (r rotated) numbered() bool { return strings.HasPrefix(r.order, "index ") }

// indexOf finds the file with a mark; -1 if it is gone. The inode decides between
// those that hold the same.
func indexOf(all []rotated, m mark) int {
	if m.First == "" {
		return -1
	}
	byContent := -1
	for i, r := range all {
		switch {
		case !r.holds(m):
		case r.id.ino == m.Ino:
			return i
		case byContent < 0:
			byContent = i
		}
	}
	return byContent
}

// onlyIndexOf is indexOf if no other file holds the same.
func onlyIndexOf(all []rotated, m mark) int {
	i := indexOf(all, m)
	for k, r := range all {
		if i >= 0 && k != i && r.holds(m) {
			return -1
		}
	}
	return i
}

// since returns the index in all of the first file that was rotated away after the
// one with the mark; 0 where that one is not known or is gone.
func since(all []rotated, after *mark) int {
	if after == nil {
		return 0
	}
	return indexOf(all, *after) + 1
}

// holds says whether a rotated file holds what the one with mark m did.
func (r rotated) holds(m mark) bool {
	if m.At == 0 {
		got, err := r.mark()
		return err == nil && got.First == m.First
	}
	g := m.place().open(r, false)
	if g == nil {
		return false
	}
	g.close()
	return true
}

// newerThan returns those of all that were rotated away later than the one at
// index i, and by the same scheme.
func newerThan(all []rotated, i int) []rotated {
	var newer []rotated
	scheme, _, _ := strings.Cut(all[i].order, " ")
	for _, r := range all[i+1:] {
		if s, _, _ := strings.Cut(r.order, " "); s == scheme && r.order != all[i].order {
			newer = append(newer, r)
		}
	}
	return newer
}

// newestMark returns the mark of the newest of rotated files that has a line.
// One that has none can be taken for newer than it is: there is nothing in it.
func newestMark(all []rotated) *mark {
	for _, r := range slices.Backward(all) {
		if m, err := r.mark(); err == nil && m.First != "" {
			return &m
		}
	}
	return &mark{}
}

// mark returns the mark of a rotated file.
func (r rotated) mark() (mark, error) {
	g, err := r.open()
	if err != nil {
		return mark{}, err
	}
	defer g.close()
	return g.mark(), nil
}

// open opens a rotated file at its beginning.
func (r rotated) open() (*generation, error) {
	if r.packed {
		return openArchive(r.path)
	}
	g, err := openGeneration(r.path)
	if err == nil {
		m := g.marked()
		g.holds.Store(&m)
	}
	return g, err
}

// newerThanMark returns those of all that were rotated away after the one with
// mark m, whatever it is called and however it is packed now. If it is gone, so
// are all that were older, and the rest is newer; gone says so.
func newerThanMark(all []rotated, m mark) (newer []rotated, gone bool) {
	if m == (mark{}) {
		return all, false
	}
	i := indexOf(all, m)
	if i < 0 {
		return all, true
	}
	return newerThan(all, i), false
}
