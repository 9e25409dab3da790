package sources

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"io"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// packers make of a text what other programs make of a log. What xz, bzip2, zstd
// and lz4 made of "x\n" is what their versions in Debian 12 print.
func packers(t *testing.T) map[string][]byte {
	decode := func(text string) []byte {
		b, err := base64.StdEncoding.DecodeString(text)
		must(t, err)
		return b
	}
	var zipped, tarred, tgz bytes.Buffer
	z := zip.NewWriter(&zipped)
	f, err := z.Create("node.log")
	must(t, err)
	_, err = io.WriteString(f, "x\n")
	must(t, err)
	must(t, z.Close())
	a := tar.NewWriter(&tarred)
	must(t, a.WriteHeader(&tar.Header{Name: "node.log", Mode: 0o644, Size: 2}))
	_, err = io.WriteString(a, "x\n")
	must(t, err)
	must(t, a.Close())
	g := gzip.NewWriter(&tgz)
	_, err = g.Write(tarred.Bytes())
	must(t, err)
	must(t, g.Close())
	wide := func(order binary.AppendByteOrder) (b []byte) {
		for _, unit := range utf16.Encode([]rune("\uFEFFx\n")) {
			b = order.AppendUint16(b, unit)
		}
		return b
	}
	return map[string][]byte{
		"xz":            decode("/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQABeAoAAAA3SlHcM6LKsAABGgLcLqV+H7bzfQEAAAAABFla"),
		"bzip2":         decode("QlpoOTFBWSZTWSs+z38AAADAgAAQAEAgACEAgrF3JFOFCQKz7Pfw"),
		"zstd":          decode("KLUv/QRYEQAAeAqu/eki"),
		"lz4":           decode("BCJNGGRApwIAAIB4CgAAAACWk1+e"),
		"zip archive":   zipped.Bytes(),
		"tar archive":   tarred.Bytes(),
		"a tar archive": tgz.Bytes(), // within gzip
		"UTF-16":        wide(binary.LittleEndian),
		"in UTF-16":     wide(binary.BigEndian),
	}
}

// TestNoText reads files that hold a log and are no text: each is refused with a
// word of what it is, whether it is a file or comes through a pipe.
func TestNoText(t *testing.T) {
	for is, data := range packers(t) {
		path := filepath.Join(t.TempDir(), "node.log")
		must(t, os.WriteFile(path, data, 0o644))
		blocks := func(yield func(Batch, error) bool) {
			for _, err := range ReadFileBlocks(path) {
				if !yield(Batch{}, err) {
					return
				}
			}
		}
		for how, read := range map[string]iter.Seq2[Batch, error]{
			"a file": ReadFile(path), "blocks": blocks, "a pipe": ReadLog(path, bytes.NewReader(data)),
		} {
			lines, err := collect(t, read)
			if len(lines) > 0 || err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), is) || !strings.Contains(err.Error(), "`") {
				t.Errorf("%s as %s: %d lines, %v; want an error that names it, says that it is %s, and what to do", is, how, len(lines), err, is)
			}
		}
	}
}

// TestByteOrderMark reads what an editor or PowerShell put a mark before: the first
// line is the line.
func TestByteOrderMark(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := io.WriteString(z, "\uFEFFone\n\uFEFFtwo\n")
	must(t, err)
	must(t, z.Close())
	for name, tt := range map[string]struct {
		text string
		want []Line
	}{
		"a file":      {"\uFEFFone\n\uFEFFtwo\n", []Line{{Text: "one"}, {Text: "\uFEFFtwo"}}},
		"packed":      {packed.String(), []Line{{Text: "one"}, {Text: "\uFEFFtwo"}}},
		"only a mark": {"\uFEFF", nil},
		"half a mark": {"\xef\xbb", []Line{{Text: "\xef\xbb"}}},
	} {
		path := filepath.Join(t.TempDir(), "node.log")
		must(t, os.WriteFile(path, []byte(tt.text), 0o644))
		if lines, err := collect(t, ReadFile(path)); err != nil || !reflect.DeepEqual(lines, tt.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, lines, err, tt.want)
		}
		var blocks []Line
		for b, err := range ReadFileBlocks(path) {
			must(t, err)
			for _, l := range b.all() {
				blocks = append(blocks, Line{Text: strings.Clone(l.Text)})
			}
		}
		if !reflect.DeepEqual(blocks, tt.want) {
			t.Errorf("%s as blocks: %+v, want %+v", name, blocks, tt.want)
		}
	}
}

// TestPipeIsNotWaitedFor gives a pipe a short line: it is read before more comes.
func TestPipeIsNotWaitedFor(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	got := make(chan string)
	go func() {
		for b, err := range ReadLog("pipe", r) {
			if err == nil && len(b.Lines) > 0 {
				got <- b.Lines[0].Text
				return
			}
		}
		close(got)
	}()
	_, err := io.WriteString(w, "short\n")
	must(t, err)
	select {
	case line := <-got:
		if line != "short" {
			t.Errorf("got %q", line)
		}
	case <-time.After(patience):
		t.Fatal("the line waits for the next one")
	}
}
