package sources

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// Blocks hold the lines that ReadFile gives, whatever is in the file and
// however it comes.
func TestBlocksAreTheSameLines(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	long := func(n int) string { return strings.Repeat("x", n) }
	texts := []string{
		"", "\n", "\n\n", "a", "a\n", "a\r\nb\r\n", "a\r",
		long(MaxLineBytes-1) + "\n" + long(MaxLineBytes) + "\r\n" + long(MaxLineBytes+1) + "\nb\n",
		long(chunkBytes-1) + "\n" + long(chunkBytes) + "\nb\n" + long(chunkBytes+1) + "\nb",
		"a\n" + long(3*chunkBytes) + "\r\n" + long(2*chunkBytes),
		`{"log":"one\n","stream":"stderr","time":"2026-01-01T00:00:00Z"}` + "\nplain\n" + `{"log":"tw","stream":"stderr","time":"2026-01-01T00:00:00Z"}` + "\n" + `{"log":"o\n","stream":"stderr","time":"2026-01-01T00:00:00Z"}`,
		"2026-01-01T00:00:00.000000000Z stderr F text\n2026-01-01T00:00:00.000000000Z stderr P te\n",
	}
	var many strings.Builder
	for range 20_000 {
		many.WriteString(long(r.IntN(60)))
		if r.IntN(500) == 0 {
			many.WriteString(long(r.IntN(90_000)))
		}
		many.WriteByte('\n')
	}
	texts = append(texts, many.String(), strings.Repeat("some\n"+long(500)+"\n", mapBytes/200), "a\n"+long(mapBytes-10)+"\n"+long(mapBytes+10)+"\nb\nc\n")
	for i, text := range texts {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		framedText := i == 10 || i == 11
		var want, plain []string
		for b, err := range ReadFile(path) {
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range b.Lines {
				want = append(want, fmt.Sprint(l))
			}
		}
		for _, l := range linesIn(text) {
			plain = append(plain, fmt.Sprint(l))
		}
		if !framedText && !slices.Equal(want, plain) {
			t.Errorf("text %d: %d lines by ReadFile, want %d", i, len(want), len(plain))
		}
		if got := blockLines(t, ReadFileBlocks(path)); !slices.Equal(got, want) {
			t.Errorf("text %d: %d lines as blocks, %d by ReadFile", i, len(got), len(want))
		}
		if framedText {
			continue // a stream's frames are taken off by the parser
		}
		slow := ReadBlocks(iotest.HalfReader(bytes.NewReader([]byte(text))))
		if got := blockLines(t, slow); !slices.Equal(got, want) {
			t.Errorf("text %d in small reads: %d lines as blocks, %d by ReadFile", i, len(got), len(want))
		}
	}
}

// blockLines gives the lines of each block when the one after it has come.
func blockLines(t *testing.T, blocks func(func(Block, error) bool)) []string {
	var got []string
	var before Block
	take := func() {
		for _, l := range before.Lines {
			got = append(got, fmt.Sprint(l))
		}
		for text := before.Text; text != ""; {
			line, rest, ok := strings.Cut(text, "\n")
			if !ok || len(line) > MaxLineBytes {
				t.Fatalf("a text with a line of %d bytes, ended %v: %.40q", len(line), ok, line)
			}
			got = append(got, fmt.Sprint(SplitLine(line)))
			text = rest
		}
	}
	for b, err := range blocks {
		if err != nil {
			t.Fatal(err)
		}
		take()
		before = b
	}
	take()
	return got
}
