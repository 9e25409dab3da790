package sources

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// collect takes all lines, and the error at the end.
func collect(t *testing.T, batches iter.Seq2[Batch, error]) (lines []Line, err error) {
	t.Helper()
	for b, e := range batches {
		if err != nil {
			t.Fatal("something came after the error")
		}
		size := 0
		for _, l := range b.Lines {
			size += len(l.Text)
		}
		if len(b.Lines) > MaxBatchLines || size > MaxBatchBytes {
			t.Errorf("batch of %d lines, %d bytes", len(b.Lines), size)
		}
		lines = append(lines, b.Lines...)
		err = e
	}
	return lines, err
}

func TestRead(t *testing.T) {
	long := strings.Repeat("y", MaxLineBytes)
	tests := []struct {
		name, text string
		want       []Line
	}{
		{"nothing", "", nil},
		{"lines", "one\ntwo\n", []Line{{Text: "one"}, {Text: "two"}}},
		{"no newline at the end", "one\ntwo", []Line{{Text: "one"}, {Text: "two"}}},
		{"carriage returns", "one\r\n\r\ntwo\r", []Line{{Text: "one"}, {}, {Text: "two"}}},
		{"empty lines", "\n\n", []Line{{}, {}}},
		{"binary", "\x00\xff\x1b[0m\n", []Line{{Text: "\x00\xff\x1b[0m"}}},
		{"just short enough", long + "\nz\n", []Line{{Text: long}, {Text: "z"}}},
		{"too long", long + "y\nz\n", []Line{{Text: long, Cut: true, Head: true}, {Text: "z"}}},
		{"much too long", strings.Repeat(long, 20) + "\nz", []Line{{Text: long, Cut: true, Head: true}, {Text: "z"}}},
		{"too long at the end", long + "y", []Line{{Text: long, Cut: true, Head: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole":       strings.NewReader(tt.text),
				"halves":      iotest.HalfReader(strings.NewReader(tt.text)),
				"bytes":       iotest.OneByteReader(strings.NewReader(tt.text)),
				"with an EOF": iotest.DataErrReader(strings.NewReader(tt.text)),
			} {
				got, err := collect(t, Read("n", r))
				if err != nil || !reflect.DeepEqual(got, tt.want) {
					t.Errorf("%s: %d lines, %v", name, len(got), err)
				}
			}
		})
	}
}

// However the bytes come, the lines are those of strings.Split.
func TestReadAnyChunks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var text strings.Builder
		for range r.IntN(3000) {
			text.WriteString(strings.Repeat("x", r.IntN(30)))
			text.WriteByte('\n')
		}
		text.WriteString("end")
		lines, err := collect(t, Read("n", &randomReader{r: r, text: text.String()}))
		must(t, err)
		want := strings.Split(text.String(), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%d lines, want %d", len(lines), len(want))
		}
		for i := range lines {
			if lines[i] != (Line{Text: want[i]}) {
				t.Fatalf("line %d: %+v, want %q", i, lines[i], want[i])
			}
		}
	}
}

// randomReader gives its text in pieces of any length.
type randomReader struct {
	r    *rand.Rand
	text string
}

func (r *randomReader) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:r.r.IntN(min(len(p), 5000))], r.text)
	r.text = r.text[n:]
	return n, nil
}

func TestReadError(t *testing.T) {
	lines, err := collect(t, Read("n", iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("a\nb\n")))))
	if !errors.Is(err, iotest.ErrTimeout) || !reflect.DeepEqual(lines, []Line{{Text: "a"}}) {
		t.Errorf("got %v, %v", lines, err)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	text, want := numbered(0, 100_000)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := io.WriteString(z, text)
	must(t, err)
	must(t, z.Close())
	twice := append(packed.Bytes(), packed.Bytes()...) // gzip files may be joined
	for name, f := range map[string]struct {
		text  string
		lines int
		err   string
	}{
		"plain":          {text, len(want), ""},
		"packed":         {packed.String(), len(want), ""},
		"joined":         {string(twice), 2 * len(want), ""},
		"one byte":       {"x", 1, ""},
		"empty":          {"", 0, ""},
		"packed, cut":    {packed.String()[:packed.Len()/2], -1, "unexpected EOF"},
		"packed, rotten": {packed.String()[:20] + "rotten", 0, "reading"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			must(t, os.WriteFile(path, []byte(f.text), 0o644))
			lines, err := collect(t, ReadFile(path))
			if f.err == "" && err != nil || f.err != "" && (err == nil || !strings.Contains(err.Error(), f.err) || !strings.Contains(err.Error(), path)) {
				t.Errorf("error: %v", err)
			}
			if f.lines >= 0 && len(lines) != f.lines || f.lines < 0 && (len(lines) == 0 || len(lines) >= len(want)) {
				t.Errorf("%d lines", len(lines))
			}
			for i := 0; i < len(lines) && len(f.text) > 1; i++ {
				if lines[i].Text != want[i%len(want)] && i != len(lines)-1 {
					t.Fatalf("line %d: %q", i, lines[i].Text)
				}
			}
		})
	}
	if _, err := collect(t, ReadFile(dir)); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
	if _, err := collect(t, ReadFile(filepath.Join(dir, "none"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// A line is handed on as soon as it is there.
func TestReaderDoesNotWait(t *testing.T) {
	in, w := io.Pipe()
	src := NewReader("standard input", in)
	out := make(chan Batch)
	done := make(chan error, 1)
	go func() { done <- src.Run(t.Context(), out) }()
	write(t, w, "one\n")
	if b := <-out; len(b.Lines) != 1 || b.Lines[0].Text != "one" || b.Source != "standard input" || b.Cursor != "" {
		t.Errorf("got %+v", b)
	}
	write(t, w, "two")
	must(t, w.Close())
	if b := <-out; len(b.Lines) != 1 || b.Lines[0].Text != "two" {
		t.Errorf("got %+v", b)
	}
	must(t, <-done)
	if s := src.Stats(); s.Lines != 2 || s.Bytes != 8 || s.Lag != -1 {
		t.Errorf("stats: %+v", s)
	}
}

// Run ends with its context, even while the reader waits for input, or the
// queue for room.
func TestReaderEndsWithContext(t *testing.T) {
	in, w := io.Pipe()
	defer w.Close() // ends the goroutine that waits in Read
	for _, blocked := range []string{"reading", "sending"} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		var r io.Reader = in
		if blocked == "sending" {
			r = strings.NewReader("one\n")
		}
		go func() { done <- NewReader("n", r).Run(ctx, make(chan Batch)) }()
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", blocked, err)
			}
		case <-time.After(patience):
			t.Errorf("%s: Run does not end", blocked)
		}
	}
}
