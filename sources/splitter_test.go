package sources

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// linesIn is what lines a text has, said as simply as can be.
func linesIn(text string) (lines []Line) {
	for line := range strings.SplitAfterSeq(text, "\n") {
		if line == "" {
			continue
		}
		l := Line{Text: strings.TrimSuffix(line, "\n")}
		if len(l.Text) > MaxLineBytes {
			l = Line{Text: l.Text[:MaxLineBytes], Cut: true, Head: true}
		}
		l.Text = strings.TrimSuffix(l.Text, "\r")
		lines = append(lines, l)
	}
	return lines
}

// randomText has lines of every kind and length, its last one not ended.
func randomText(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(2000) {
		n := r.IntN(40)
		switch r.IntN(200) {
		case 0:
			n = MaxLineBytes - 2 + r.IntN(5)
		case 1:
			n = r.IntN(3 * MaxLineBytes)
		}
		b.WriteString(strings.Repeat("x", n))
		b.WriteString([]string{"\n", "\n", "\n", "\r\n", "\r\r\n", "\x00\n"}[r.IntN(6)])
	}
	return b.String() + "the end"
}

// However a text comes, its lines are the same, each group of them ends behind a
// newline, and no text holds a line that must be Cut.
func TestSplitterGivesEveryLine(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		text := randomText(r)
		var s splitter
		var got []Line
		for done := 0; done < len(text); {
			chunk := []byte(text[done:min(len(text), done+1+r.IntN(1+1<<r.IntN(19)))])
			at := done
			done += len(chunk)
			for {
				b, n := s.next(chunk)
				if n == 0 {
					break
				}
				chunk, at = chunk[n:], at+n
				if text[at-1] != '\n' {
					t.Fatalf("text %d: lines end at %d, behind %q", seed, at, text[at-1])
				}
				for _, l := range linesIn(b.Text) {
					if l.Cut {
						t.Fatalf("text %d: a long line before %d is in the text", seed, at)
					}
				}
				got = append(got, Block{Lines: b.Lines, Text: strings.Clone(b.Text)}.all()...)
			}
			s.begin(chunk)
		}
		if line, ok := s.rest(); ok {
			got = append(got, line)
		}
		if want := linesIn(text); !slices.Equal(got, want) {
			t.Fatalf("text %d: %d lines, want %d", seed, len(got), len(want))
		}
		if over := len(text) - sizeOf(got, text); s.discarded != uint64(over) {
			t.Errorf("text %d: %d bytes discarded, want %d", seed, s.discarded, over)
		}
	}
}

// sizeOf is how long the lines are that a text has become, with their ends.
func sizeOf(lines []Line, text string) (n int) {
	for i, line := range strings.Split(text, "\n") {
		n += min(len(line), MaxLineBytes)
		if i < len(lines)-1 {
			n++
		}
	}
	return n
}

// A file that is written to in pieces gives the lines that are in it, while most of
// the batches wait to be released.
func TestFileGivesEveryLine(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 4))
		path := filepath.Join(t.TempDir(), "n.log")
		text := randomText(r) + "\n"
		appendTo(t, path, text[:len(text)/2])
		f := followWith(t, FileOptions{Patterns: []string{path}, FromStart: true}, func(f *File) { f.chunk = recentBytes + 1<<(4+r.IntN(15)) })
		go func() {
			for rest := text[len(text)/2:]; rest != ""; {
				n := min(len(rest), 1+len(text)/20)
				appendTo(t, path, rest[:n])
				rest = rest[n:]
			}
		}()
		want := linesIn(text)
		var got []Line
		for held := []Batch(nil); len(got) < len(want); {
			held = append(held, <-f.out)
			if len(held) < maxUnreleased && r.IntN(3) > 0 && f.src.Stats().Lag > 0 {
				continue
			}
			for _, b := range held {
				got = append(got, taken(b)...)
			}
			held = nil
		}
		if !slices.Equal(got, want) {
			t.Errorf("text %d: %d lines, want %d", seed, len(got), len(want))
		}
		if s := f.src.Stats(); s.Lines != uint64(len(want)) {
			t.Errorf("text %d: %d lines are counted, want %d", seed, s.Lines, len(want))
		}
	}
}
