package sources

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var lives = flag.Int("lives", 15, "how many random lives of a log to go through")

// TestRandomLife does to a log what may be done to it, in any order, while it is
// followed and while it is not, and wants every line once.
func TestRandomLife(t *testing.T) {
	for seed := range *lives {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { liveThrough(t, seed, "") })
		t.Run(fmt.Sprint(seed, " alike"), func(t *testing.T) { liveThrough(t, seed, startup()) })
	}
}

// startup is what many programs write at each start, without a time.
func startup() string {
	head := "Initializing daemon...\n"
	for port := range 40 {
		head += fmt.Sprintf("Swarm listening on /ip4/127.0.0.1/tcp/%d\n", 4001+port)
	}
	return head
}

// liveThrough goes through one life; head is what each file begins with, "" if they
// differ from the first line on.
func liveThrough(t *testing.T, seed int, head string) {
	l := &life{t: t, rand: rand.New(rand.NewPCG(uint64(seed), 1)), path: filepath.Join(t.TempDir(), "n.log"), head: head, seen: map[string]int{}}
	appendTo(t, l.path, "")
	l.start()
	for range 40 {
		l.step()
	}
	if l.f == nil {
		l.start()
	}
	l.complete()
}

type life struct {
	t    *testing.T
	rand *rand.Rand
	path string
	n    int
	// head are the first lines of every file, heads how many of them were written
	// and have not come yet.
	head  string
	heads int
	// begun is the beginning of a line that was written without its end.
	begun string
	seen  map[string]int
	f     *follower // nil while nobody follows
	// cursor is that of the last batch taken.
	cursor string
	told   []string
	// deleted is set while lines may be left in a deleted file, renamed while
	// path.1 is a file that was written to.
	deleted, renamed bool
}

func (l *life) step() {
	type op struct {
		name string
		do   func()
	}
	ops := []op{
		{"append", l.append}, {"append", l.append}, {"append", l.append},
		{"rename", l.rename}, {"copytruncate", l.copyTruncate}, {"compress", l.compress},
	}
	if l.f == nil {
		ops = append(ops, op{"start", l.start}, op{"start", l.start})
	} else {
		ops = append(ops, op{"kill", l.kill}, op{"take", l.take}, op{"linger", l.linger}, op{"delete", l.delete})
	}
	o := ops[l.rand.IntN(len(ops))]
	l.told = append(l.told, o.name)
	o.do()
}

func (l *life) start() {
	o := FileOptions{Patterns: []string{l.path}, Cursor: l.cursor}
	src, err := NewFile(o)
	must(l.t, err)
	src.chunk = recentBytes + 64<<(l.n%10) // many batches of a file, or one
	l.f = run(l.t, src)
	l.cursor = l.f.cursor
}

// take takes a batch if there is one to come.
func (l *life) take() {
	if l.missing() == 0 || l.missing() == 1 && l.begun != "" {
		return
	}
	l.f.next()
	l.count()
}

func (l *life) count() {
	for _, line := range l.f.lines {
		if strings.Contains(l.head, line.Text+"\n") {
			l.heads--
			continue
		}
		l.seen[line.Text]++
	}
	l.f.lines = nil
	l.cursor = l.f.cursor
}

func (l *life) missing() int { return l.n - len(l.seen) + max(l.heads, 0) }

// complete takes all batches and checks them.
func (l *life) complete() {
	l.t.Helper()
	for l.begun != "" {
		l.append()
	}
	l.deleted = false
	for l.missing() > 0 {
		select {
		case b := <-l.f.out:
			l.f.lines, l.f.cursor = taken(b), b.Cursor
			l.count()
		case <-time.After(patience):
			l.t.Fatalf("%d of %d lines are missing after %q; %+v", l.missing(), l.n, l.told, l.f.src.Stats())
		}
	}
	for text, times := range l.seen {
		if times != 1 {
			l.t.Fatalf("%q came %d times; %q", text, times, l.told)
		}
	}
	if l.heads != 0 {
		l.t.Fatalf("%d first lines came that were not written; %q", -l.heads, l.told)
	}
}

func (l *life) kill() {
	if l.deleted {
		l.complete() // what is in a deleted file nobody else can read
	}
	l.f.kill()
	l.f = nil
}

// append writes some lines, the last one maybe without its end.
func (l *life) append() {
	var b strings.Builder
	if info, err := os.Stat(l.path); err == nil && info.Size() == 0 {
		b.WriteString(l.head)
		l.heads += strings.Count(l.head, "\n")
	}
	for range 1 + l.rand.IntN(2000) {
		text := fmt.Sprintf("line %08d", l.n)
		l.n++
		appendText := text + "\n"
		if l.begun != "" {
			appendText, l.begun = l.begun+"\n"+appendText, ""
		}
		b.WriteString(appendText)
	}
	if l.rand.IntN(4) == 0 {
		text := fmt.Sprintf("line %08d", l.n)
		l.n++
		half := l.rand.IntN(len(text))
		b.WriteString(text[:half])
		l.begun = text[half:]
	}
	appendTo(l.t, l.path, b.String())
}

// shift makes room for path.1.
func (l *life) shift() {
	for k := 60; k > 0; k-- {
		for _, ext := range []string{"", ".gz"} {
			err := os.Rename(fmt.Sprintf("%s.%d%s", l.path, k, ext), fmt.Sprintf("%s.%d%s", l.path, k+1, ext))
			if !errors.Is(err, os.ErrNotExist) {
				must(l.t, err)
			}
		}
	}
}

// ready sees to it that the present file is open, and that no line is begun in
// it: what a rotation then does can cost nothing.
func (l *life) ready() {
	if l.begun != "" {
		l.append()
		l.ready()
		return
	}
	if l.f == nil {
		return
	}
	info, err := os.Stat(l.path)
	must(l.t, err)
	waitFor(l.t, "the present file is open", func() bool {
		return slices.ContainsFunc(l.f.src.current(), func(c *chain) bool {
			return slices.ContainsFunc(c.gens, func(g *generation) bool { return g.id == idOf(info) })
		})
	})
}

func (l *life) rename() {
	l.ready()
	l.shift()
	l.renamed = true
	must(l.t, os.Rename(l.path, l.path+".1"))
	appendTo(l.t, l.path, "")
}

func (l *life) copyTruncate() {
	if l.f != nil {
		l.complete() // while it is blocked, a second truncation can't be told from the first
	}
	l.ready()
	l.shift()
	l.renamed = false
	copyTruncate(l.t, l.path)
}

// compress compresses the newest rotated file, if it is not.
func (l *life) compress() {
	if l.f != nil {
		l.complete()
	}
	l.renamed = false
	if _, err := os.Stat(l.path + ".1"); err == nil {
		gz(l.t, l.path+".1")
	}
}

// linger writes to the file that was rotated away last.
func (l *life) linger() {
	info, err := os.Stat(l.path + ".1")
	if !l.renamed || err != nil || info.Size() == 0 {
		return
	}
	l.complete()
	appendTo(l.t, l.path+".1", fmt.Sprintf("line %08d\n", l.n))
	l.n++
}

func (l *life) delete() {
	l.ready()
	l.deleted = true
	must(l.t, os.Remove(l.path))
	appendTo(l.t, l.path, "")
	l.ready()
}
