//go:build cgo && linux

package sources

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/sdjournal"
)

// openJournal reads the journal through libsystemd.
var openJournal = openLibsystemd

// libsystemd reads the journal through the library, which is loaded when the
// first journal is opened.
type libsystemd struct {
	j *sdjournal.Journal
	// ready is set when the journal stands on an entry not given yet.
	ready bool
	// busy is when the last entry came.
	busy time.Time
	// cursor is the last entry given; grew is set when the journal may have grown
	// since it was last looked for more. See more.
	cursor string
	grew   bool
	// heads are of the files in directory.
	heads     *heads
	directory string
}

// journald tells of new entries at most every 250 ms, but they are in its files
// at once. So we look ourselves.
const (
	// lookLeast and lookMost bound the pause between two looks, which is a
	// sixteenth of how long nothing has come.
	lookLeast = time.Millisecond
	lookMost  = 40 * time.Millisecond
	// looks is after how many of them the library is asked, which hears of files
	// that came or went, and the source whether it is to end.
	looks = 6
)

func openLibsystemd(directory string, terms [][]string) (journalReader, error) {
	open := sdjournal.NewJournal
	if directory != "" {
		open = func() (*sdjournal.Journal, error) { return sdjournal.NewJournalFromDir(directory) }
	}
	j, err := open()
	if err != nil {
		return nil, fmt.Errorf("%w: %w (apt install libsystemd0, or name log files instead)", ErrNoJournal, err)
	}
	l := &libsystemd{j: j, grew: true, directory: directory, heads: &heads{}}
	if err := l.match(terms); err != nil {
		l.close()
		return nil, err
	}
	// Only a journal that has been waited for once notices files that appear
	// before it is waited for again (systemd issue 14695).
	j.Wait(0)
	l.heads = openHeads(directory)
	return l, nil
}

func (l *libsystemd) match(terms [][]string) error {
	// "MESSAGE=" counts; one more byte shows that there was more.
	if err := l.j.SetDataThreshold(uint64(maxExportField) + 1); err != nil {
		return err
	}
	for i, term := range terms {
		if i > 0 {
			if err := l.j.AddDisjunction(); err != nil {
				return err
			}
		}
		for _, m := range term {
			if err := l.j.AddMatch(m); err != nil {
				return fmt.Errorf("journal match %q: %w", m, err)
			}
		}
	}
	return nil
}

func (l *libsystemd) units(context.Context) ([]string, error) {
	return l.j.GetUniqueValues("_SYSTEMD_UNIT")
}

func (l *libsystemd) close() {
	l.heads.close()
	l.j.Close()
}

func (l *libsystemd) last(_ context.Context, n int, until time.Time) ([]entry, error) {
	seek := l.j.SeekTail
	if !until.IsZero() {
		seek = func() error { return l.j.SeekRealtimeUsec(uint64(max(until.UnixMicro(), 0))) }
	}
	if err := seek(); err != nil {
		return nil, err
	}
	got, err := l.j.PreviousSkip(uint64(n))
	if err != nil || got == 0 {
		return nil, err
	}
	var all []entry
	for more := uint64(1); more > 0; {
		e, err := l.entry()
		if err != nil {
			return nil, err
		}
		if !until.IsZero() && !e.time.Before(until) {
			break
		}
		if e.cursor, err = l.j.GetCursor(); err != nil {
			return nil, err
		}
		all = append(all, e)
		if more, err = l.j.Next(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (l *libsystemd) follow(_ context.Context, cursor string) (bool, error) {
	l.cursor = cursor
	if cursor == "" {
		return true, l.j.SeekHead()
	}
	if err := l.j.SeekCursor(cursor); err != nil {
		return false, fmt.Errorf("journal cursor %q: %w", cursor, err)
	}
	n, err := l.j.Next()
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, nil // gone, and nothing after it
	}
	if l.j.TestCursor(cursor) == nil {
		return true, nil
	}
	l.ready = true
	return false, nil
}

func (l *libsystemd) next(ctx context.Context) ([]entry, error) {
	var all []entry
	for size := 0; len(all) < MaxBatchLines && size < MaxBatchBytes-MaxLineBytes; {
		if !l.ready {
			n, err := l.j.Next()
			if err != nil {
				return nil, err
			}
			if n == 0 && len(all) > 0 {
				break
			}
			if n == 0 {
				if err := l.more(ctx); err != nil {
					return nil, err
				}
				continue
			}
		}
		l.ready = false // grew stays: another entry may have come with this one
		e, err := l.entry()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		size += len(e.message)
	}
	l.busy = time.Now()
	return all, l.setCursor(all)
}

// setCursor gives the last entry its cursor. Next leaves the journal on the
// last entry when there is none after it.
func (l *libsystemd) setCursor(all []entry) (err error) {
	l.cursor, err = l.j.GetCursor()
	all[len(all)-1].cursor = l.cursor
	return err
}

// more is what to do when Next found nothing: wait, and look afresh if the journal
// had grown all the same.
//
// journald counts a new entry before it links it to its fields. Whoever looks
// for a field just in between finds nothing, and libsystemd then does not look
// into the file before its count changes: the entry would wait for the next one
// of anybody (systemd, journal-file.c journal_file_link_entry and sd-journal.c
// next_beyond_location). Seeking makes the library look afresh; after the pause
// the links are there.
func (l *libsystemd) more(ctx context.Context) error {
	early, most := l.grew, looks
	if early {
		most = 1
	}
	pause := min(max(time.Since(l.busy)/16, lookLeast), lookMost)
	if err := l.wait(ctx, pause, most); err != nil || !early {
		return err
	}
	_, err := l.follow(ctx, l.cursor)
	return err
}

// wait returns when the journal may have grown, at the latest after most looks
// with a pause before each, or when files came or went (which is treated alike:
// Next finds the way). It can't be interrupted.
func (l *libsystemd) wait(ctx context.Context, pause time.Duration, most int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(l.heads.files) == 0 {
		most = 1 // Next is all that sees it grow
	}
	changed := l.heads.changed(pause, most)
	r := l.j.Wait(0)
	switch {
	case r < 0:
		return fmt.Errorf("waiting for the journal: %w", syscall.Errno(-r))
	case r == sdjournal.SD_JOURNAL_INVALIDATE:
		l.heads.close()
		l.heads = openHeads(l.directory)
	}
	l.grew = changed || r != sdjournal.SD_JOURNAL_NOP
	return ctx.Err()
}

// entry reads the entry on which the journal stands.
func (l *libsystemd) entry() (entry, error) {
	us, err := l.j.GetRealtimeUsec()
	if err != nil {
		return entry{}, err
	}
	e := entry{time: time.UnixMicro(int64(us))}
	message, ok, err := l.field("MESSAGE")
	if err != nil {
		return e, err
	}
	e.none = !ok
	e.over = len(message) > MaxLineBytes
	e.message = message[:min(len(message), MaxLineBytes)]
	if e.stream, _, err = l.field("_STREAM_ID"); err != nil {
		return e, err
	}
	if e.lineBreak, _, err = l.field("_LINE_BREAK"); err != nil {
		return e, err
	}
	if e.pid, _, err = l.field("_PID"); err != nil {
		return e, err
	}
	if e.stream == "" { // a container's entries came by the native protocol
		if err := l.piece(&e.piece); err != nil {
			return e, err
		}
	}
	if strings.HasPrefix(message, "Suppressed ") {
		return e, l.notice(&e)
	}
	return e, nil
}

// piece reads the fields of a container's entry.
func (l *libsystemd) piece(p *containerPiece) (err error) {
	var ok bool
	if p.container, ok, err = l.field("CONTAINER_ID"); err != nil || !ok {
		return err
	}
	if p.priority, _, err = l.field("PRIORITY"); err != nil {
		return err
	}
	if _, p.unfinished, err = l.field("CONTAINER_PARTIAL_MESSAGE"); err != nil {
		return err
	}
	_, p.id, err = l.field("CONTAINER_PARTIAL_ID")
	return err
}

// notice looks whether the entry is journald's own word of dropped messages.
func (l *libsystemd) notice(e *entry) error {
	id, _, err := l.field("MESSAGE_ID")
	if err != nil {
		return err
	}
	count, _, err := l.field("N_DROPPED")
	n, _ := strconv.ParseUint(count, 10, 64) // 0: as if there were no field
	e.dropped = droppedIn("MESSAGE_ID="+id == messageDropped, n, e.message)
	return err
}

// field returns the value of a field, and whether the entry has it.
func (l *libsystemd) field(name string) (value string, ok bool, err error) {
	data, err := l.j.GetData(name)
	if errors.Is(err, syscall.ENOENT) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("journal field %s: %w", name, err)
	}
	_, value, _ = strings.Cut(data, "=")
	return value, true, nil
}
