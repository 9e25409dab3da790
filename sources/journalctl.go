package sources

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// journalctl reads the journal through the program of that name, in its export
// format (systemd.io/JOURNAL_EXPORT_FORMATS), which unlike JSON keeps every byte.
type journalctl struct {
	directory string
	terms     [][]string

	cmd    *exec.Cmd
	pipe   *os.File // from cmd; out reads it
	out    *bufio.Reader
	stderr *tailWriter
	// first is an entry that was read and not given yet.
	first *entry

	// cursor is the last entry that follow or next gave.
	cursor string
	// began is when cmd was started, and heard when the last entry came from it.
	began, heard time.Time
	again        pace
}

func openJournalctl(directory string, terms [][]string) (journalReader, error) {
	if _, err := exec.LookPath("journalctl"); err != nil {
		return nil, fmt.Errorf("%w: %w (install systemd, or name log files instead)", ErrNoJournal, err)
	}
	c := &journalctl{directory: directory, terms: slices.Clone(terms), again: usualPace}
	if directory != "" {
		return c, nil
	}
	// --merge takes the journals of other machines as well, where there are any.
	id, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoJournal, err)
	}
	for i, term := range terms {
		c.terms[i] = append(slices.Clone(term), "_MACHINE_ID="+strings.TrimSpace(string(id)))
	}
	return c, nil
}

// args returns the arguments common to all calls.
func (c *journalctl) args(extra ...string) []string {
	args := append([]string{
		"--output=export", "--quiet", "--no-pager",
		"--output-fields=MESSAGE,MESSAGE_ID,N_DROPPED,_LINE_BREAK,_STREAM_ID,_PID,CONTAINER_ID,PRIORITY,CONTAINER_PARTIAL_MESSAGE,CONTAINER_PARTIAL_ID",
	}, extra...)
	if c.directory != "" {
		args = append(args, "--directory="+c.directory)
	}
	for i, term := range c.terms {
		if i > 0 {
			args = append(args, "+")
		}
		args = append(args, term...)
	}
	return args
}

func (c *journalctl) last(ctx context.Context, n int, until time.Time) ([]entry, error) {
	extra := []string{"--lines=" + strconv.Itoa(n)}
	if !until.IsZero() {
		if until.UnixMicro() <= 0 {
			return nil, nil
		}
		// --until is inclusive.
		extra = append(extra, "--until=@"+strconv.FormatFloat(float64(until.UnixMicro()-1)/1e6, 'f', 6, 64))
	}
	if err := c.start(ctx, extra...); err != nil {
		return nil, err
	}
	defer c.close()
	var all []entry
	for {
		e, err := readExport(c.out)
		if errors.Is(err, io.EOF) {
			return all, c.ended()
		}
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
}

func (c *journalctl) units(ctx context.Context) ([]string, error) {
	args := []string{"--quiet", "--field=_SYSTEMD_UNIT"}
	if c.directory != "" {
		args = append(args, "--directory="+c.directory)
	}
	out, err := exec.CommandContext(ctx, "journalctl", args...).Output()
	return strings.Fields(string(out)), err
}

func (c *journalctl) start(ctx context.Context, extra ...string) error {
	c.cmd = exec.CommandContext(ctx, "journalctl", c.args(extra...)...)
	c.stderr = &tailWriter{}
	c.cmd.Stderr = c.stderr
	c.cmd.Env = append(c.cmd.Environ(), "LC_ALL=C")
	r, w, err := os.Pipe() // not StdoutPipe, for its deadlines
	if err != nil {
		return err
	}
	defer w.Close()
	c.cmd.Stdout, c.pipe, c.out, c.began = w, r, bufio.NewReaderSize(r, 64<<10), time.Now()
	if err := c.cmd.Start(); err != nil {
		c.cmd = nil
		r.Close()
		return err
	}
	return nil
}

// ended waits for the end of the program and says why.
func (c *journalctl) ended() error {
	err := c.cmd.Wait()
	c.cmd = nil
	c.pipe.Close()
	if err != nil {
		return fmt.Errorf("journalctl: %w: %s", err, c.stderr)
	}
	return nil
}

func (c *journalctl) close() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Kill() // it may have ended
	_ = c.cmd.Wait()         // of the signal
	c.cmd = nil
	c.pipe.Close()
}

func (c *journalctl) follow(ctx context.Context, cursor string) (bool, error) {
	// Not --after-cursor: when that entry is gone, some versions skip the first
	// one after it.
	//
	// Without --merge, --follow leaves out what earlier boots logged (systemd
	// 252, src/journal/journalctl.c: arg_boot), so lines behind our cursor.
	extra := []string{"--follow", "--no-tail", "--merge"}
	if cursor != "" {
		extra = append(extra, "--cursor="+cursor)
	}
	if err := c.start(ctx, extra...); err != nil {
		return false, err
	}
	c.cursor = cursor
	if cursor == "" {
		return true, nil
	}
	e, err := readExport(c.out)
	if err != nil {
		return false, errors.Join(err, c.ended())
	}
	if e.cursor == cursor {
		return true, nil
	}
	c.first = &e
	return false, nil
}

func (c *journalctl) next(ctx context.Context) ([]entry, error) {
	var all []entry
	size := 0
	if c.first != nil {
		all, c.first = append(all, *c.first), nil
	}
	if len(all) == 0 {
		if err := c.await(ctx); err != nil {
			return nil, err
		}
	}
	for len(all) == 0 || (c.out.Buffered() > 0 && len(all) < MaxBatchLines && size < MaxBatchBytes-MaxLineBytes) {
		e, err := readExport(c.out)
		if err != nil {
			return nil, errors.Join(err, c.ended())
		}
		all = append(all, e)
		size += len(e.message)
	}
	c.cursor, c.heard = all[len(all)-1].cursor, time.Now()
	return all, nil
}

// maxExportField bounds a field; what is longer is read and thrown away.
const maxExportField = MaxLineBytes + len("MESSAGE=")

// readExport reads one entry.
func readExport(r *bufio.Reader) (entry, error) {
	e := entry{none: true}
	notice := false
	for fields := 0; ; {
		name, value, over, err := readField(r)
		if err != nil {
			return e, err
		}
		if name == "" { // an empty line ends an entry; before the first, it is none
			if fields == 0 {
				continue
			}
			break
		}
		fields++
		switch name {
		case "MESSAGE":
			e.message, e.over, e.none = value, over, false
		case "__CURSOR":
			e.cursor = value
		case "__REALTIME_TIMESTAMP":
			us, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return e, fmt.Errorf("journalctl: timestamp %q: %w", value, err)
			}
			e.time = time.UnixMicro(us)
		case "_STREAM_ID":
			e.stream = value
		case "_LINE_BREAK":
			e.lineBreak = value
		case "_PID":
			e.pid = value
		case "CONTAINER_ID":
			e.piece.container = value
		case "PRIORITY":
			e.piece.priority = value
		case "CONTAINER_PARTIAL_MESSAGE":
			e.piece.unfinished = true
		case "CONTAINER_PARTIAL_ID":
			e.piece.id = true
		case "MESSAGE_ID":
			notice = name+"="+value == messageDropped
		case "N_DROPPED":
			e.dropped, _ = strconv.ParseUint(value, 10, 64) // 0 is no notice
		}
	}
	e.dropped = droppedIn(notice, e.dropped, e.message)
	return e, nil
}

// droppedIn returns how many messages a notice counts. Its field N_DROPPED came
// with systemd 240; before, only the text has the number.
func droppedIn(notice bool, field uint64, message string) uint64 {
	if !notice {
		return 0
	}
	if field > 0 {
		return field
	}
	rest, _ := strings.CutPrefix(message, "Suppressed ")
	digits, _, _ := strings.Cut(rest, " ")
	n, _ := strconv.ParseUint(digits, 10, 64)
	return max(n, 1) // a notice counts, whatever it says
}

// readField reads "NAME=value\n", or "NAME\n", the length of the value in 64
// bits little endian, the value, "\n". An empty name is the empty line between
// entries.
func readField(r *bufio.Reader) (name, value string, over bool, err error) {
	line, over, err := readBounded(r)
	if err != nil || len(line) == 0 {
		return "", "", false, err
	}
	if name, value, ok := bytes.Cut(line, []byte("=")); ok {
		return string(name), string(value), over, nil
	}
	var size [8]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return "", "", false, err
	}
	length := binary.LittleEndian.Uint64(size[:])
	kept := make([]byte, min(length, MaxLineBytes))
	if _, err := io.ReadFull(r, kept); err != nil {
		return "", "", false, err
	}
	// The rest, and the newline.
	if _, err := io.CopyN(io.Discard, r, int64(length)-int64(len(kept))+1); err != nil {
		return "", "", false, err
	}
	return string(line), string(kept), length > MaxLineBytes, nil
}

// readBounded reads a line of which it keeps at most maxExportField bytes. The
// end of r inside a line is io.ErrUnexpectedEOF.
func readBounded(r *bufio.Reader) (line []byte, over bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		room := maxExportField - len(line)
		text := bytes.TrimSuffix(part, []byte("\n"))
		line = append(line, text[:min(len(text), room)]...)
		over = over || len(text) > room
		switch {
		case err == nil:
			return line, over, nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, false, io.ErrUnexpectedEOF
		default:
			return nil, false, err
		}
	}
}

// tailWriter keeps the last of what a program says of its troubles.
type tailWriter struct{ b []byte }

const tailWriterBytes = 1024

func (w *tailWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	if over := len(w.b) - tailWriterBytes; over > 0 {
		w.b = w.b[over:]
	}
	return len(p), nil
}

func (w *tailWriter) String() string { return strings.TrimSpace(string(w.b)) }
