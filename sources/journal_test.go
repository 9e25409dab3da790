package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/journaltest"
)

// journalReaders are the ways to read a journal. All tests hold for all.
func journalReaders() map[string]func(string, [][]string) (journalReader, error) {
	return map[string]func(string, [][]string) (journalReader, error){
		"journalctl": openJournalctl,
		"built in":   openJournal, // libsystemd with cgo, else journalctl again
	}
}

// eachReader runs a test for each way to read a journal.
func eachReader(t *testing.T, test func(t *testing.T, start func(JournalOptions) *journalFollower)) {
	for name, open := range journalReaders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(o JournalOptions) *journalFollower {
				t.Helper()
				return followJournal(t, o, open)
			})
		})
	}
}

// journalFollower is a follower for a Journal.
type journalFollower struct {
	t      *testing.T
	src    *Journal
	out    chan Batch
	cancel context.CancelFunc
	done   chan error
	lines  []Line
	cursor string
}

func followJournal(t *testing.T, o JournalOptions, open func(string, [][]string) (journalReader, error)) *journalFollower {
	t.Helper()
	src, err := newJournal(o, open)
	if err != nil {
		t.Fatal(err)
	}
	src.retry = 10 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	f := &journalFollower{t: t, src: src, out: make(chan Batch), cancel: cancel, done: make(chan error, 1)}
	go func() { f.done <- src.Run(ctx, f.out) }()
	t.Cleanup(func() { f.stop() })
	f.next()
	return f
}

func (f *journalFollower) next() {
	f.t.Helper()
	select {
	case b := <-f.out:
		f.lines = append(f.lines, b.Lines...)
		f.cursor = b.Cursor
	case err := <-f.done:
		f.t.Fatalf("Run ended: %v", err)
	case <-time.After(patience):
		f.t.Fatalf("no batch in %v; so far %d lines; %+v", patience, len(f.lines), f.src.Stats())
	}
}

// want waits for exactly these messages; those that are to be Cut begin with "✂".
func (f *journalFollower) want(texts ...string) {
	f.t.Helper()
	for len(f.lines) < len(texts) {
		f.next()
	}
	var got []string
	for _, l := range f.lines {
		text := l.Text
		if l.Cut {
			text = "✂" + text
		}
		got = append(got, text)
	}
	if !slices.Equal(got, texts) {
		f.t.Fatalf("got %.500s\nwant %.500s", brief(got), brief(texts))
	}
	f.lines = nil
}

// stop ends Run and returns the last cursor.
func (f *journalFollower) stop() string {
	f.t.Helper()
	f.cancel()
	for {
		select {
		case <-f.out:
			continue
		case err := <-f.done:
			if err != nil && !errors.Is(err, context.Canceled) {
				f.t.Errorf("Run: %v", err)
			}
			f.done <- nil
		case <-time.After(patience):
			f.t.Error("Run did not end with its context")
		}
		return f.cursor
	}
}

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	_, err := io.WriteString(w, text)
	must(t, err)
}

var allTime = time.Unix(0, 0)

func TestJournalLive(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t)
		node, other := j.Stream("node.service", "node"), j.Stream("other.service", "other")
		write(t, node, "before\n")
		j.Wait("node.service", 1)
		f := start(JournalOptions{Name: "n", Units: []string{"node"}, Directory: j.Directory()})
		began := time.Now()
		write(t, other, "not ours\n")
		write(t, node, "one\n\ttwo \x1b[34mblue\x1b[0m\n")
		f.want("one", "\ttwo \x1b[34mblue\x1b[0m")
		write(t, node, "three\n")
		for len(f.lines) == 0 {
			f.next()
		}
		if d := f.lines[0].Time.Sub(began); d < -time.Second || d > time.Minute {
			t.Errorf("time of the line: %v", f.lines[0].Time)
		}
		f.want("three")
		if s := f.src.Stats(); s.Lines != 3 || s.Suppressed != 0 || len(s.Problems) > 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// A stop at any place, a rotation, and a start give every line once.
func TestJournalResume(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t)
		node := j.Stream("node.service", "node")
		text, lines := numbered(0, 5000)
		write(t, node, text)
		j.Wait("node.service", 5000)
		o := JournalOptions{Units: []string{"node.service"}, Directory: j.Directory(), Since: allTime}
		var got []string
		for len(got) < 6000 {
			f := start(o)
			f.next()
			o.Cursor = f.cursor
			for _, l := range f.lines {
				got = append(got, l.Text)
			}
			f.stop()
			if len(got) >= 3000 && len(lines) == 5000 {
				j.Rotate()
				more, moreLines := numbered(5000, 6000)
				write(t, node, more)
				j.Wait("node.service", 6000)
				lines = append(lines, moreLines...)
			}
		}
		if !slices.Equal(got, lines) {
			t.Errorf("got %s", brief(got))
		}
	})
}

// A source that was stopped before its first line begins where it began.
func TestJournalResumeBeforeFirstLine(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t)
		node := j.Stream("node.service", "node")
		write(t, node, "old\n")
		j.Wait("node.service", 1)
		o := JournalOptions{Units: []string{"node.service"}, Directory: j.Directory()}
		o.Cursor = start(o).stop()
		write(t, node, "new\n")
		start(o).want("new")
	})
}

func TestJournalRotatesWhileFollowed(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t)
		node := j.Stream("node.service", "node")
		f := start(JournalOptions{Units: []string{"node.service"}, Directory: j.Directory()})
		for i := range 10 {
			text, lines := numbered(i*300, (i+1)*300)
			write(t, node, text)
			j.Rotate()
			f.want(lines...)
			j.Vacuum(2)
		}
	})
}

// The entry of the cursor was deleted meanwhile: nothing after it is skipped.
func TestJournalCursorVacuumed(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t)
		node := j.Stream("node.service", "node")
		write(t, node, "one\n")
		j.Wait("node.service", 1)
		o := JournalOptions{Units: []string{"node.service"}, Directory: j.Directory(), Since: allTime}
		f := start(o)
		f.want("one")
		o.Cursor = f.stop()
		j.Rotate()
		write(t, node, "two\nthree\n")
		j.Wait("node.service", 3)
		j.Vacuum(1)
		f = start(o)
		f.want("two", "three")
		if p := f.src.Stats().Losses; len(p) != 1 || !strings.Contains(p[0], "position in the journal is lost") {
			t.Errorf("losses: %q", p)
		}
	})
}

// Whatever journald cuts, neither part is a believable line.
func TestJournalCut(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t, "LineMax=1K")
		node := j.Stream("node.service", "node")
		f := start(JournalOptions{Units: []string{"node.service"}, Directory: j.Directory()})
		long := strings.Repeat("x", 1024)
		write(t, node, "whole\n"+long+"forged\nwhole\n")
		f.want("whole", "✂"+long, "✂forged", "whole")
		write(t, node, long+long+"forged\nwhole\n")
		f.want("✂"+long, "✂"+long, "✂forged", "whole")
		write(t, node, "a\x00forged\nwhole\n")
		f.want("✂a", "✂forged", "whole")
		// Another stream of the unit in between is another matter.
		second := j.Stream("node.service", "node")
		write(t, node, long+"for")
		f.want("✂" + long)
		write(t, second, "whole\n")
		f.want("whole")
		write(t, node, "ged\n")
		f.want("✂forged")
		// The end of the stream ends the line.
		write(t, second, "unfinished")
		must(t, second.Close())
		f.want("✂unfinished")
		// Two processes on one stream.
		both := j.Streams("node.service", "node", 2)
		write(t, both[0], "whole\nbe")
		f.want("whole")
		write(t, both[1], "other's\n")
		f.want("✂be", "✂other's")
		write(t, both[1], "whole\n")
		f.want("whole")
		write(t, both[0], "gun\nwhole\n")
		f.want("✂gun", "whole")
	})
}

// A restart between a cut entry and its continuation makes no line of it, be
// the place remembered or not.
func TestJournalCutAcrossRestart(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t, "LineMax=1K")
		node := j.Stream("node.service", "node")
		long := strings.Repeat("x", 1024)
		o := JournalOptions{Units: []string{"node.service"}, Directory: j.Directory()}
		f := start(o)
		write(t, node, long+"for")
		f.want("✂" + long)
		withCursor := o
		withCursor.Cursor = f.stop()
		anew := start(o)
		again := start(withCursor)
		write(t, node, "ged\nwhole\n")
		again.want("✂forged", "whole")
		anew.want("✂forged", "whole")
		since := o
		since.Since = anewTime(t, j)
		start(since).want("✂forged", "whole")
	})
}

// anewTime is the time of the entry "forged".
func anewTime(t *testing.T, j *journaltest.Journald) time.Time {
	t.Helper()
	r, err := openJournalctl(j.Directory(), [][]string{{"MESSAGE=forged"}})
	must(t, err)
	defer r.close()
	entries, err := r.last(t.Context(), 1, time.Time{})
	must(t, err)
	return entries[0].time
}

// What the native protocol brings may hold newlines and may be of any length.
func TestJournalNativeMessages(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t)
		f := start(JournalOptions{Matches: []string{"SYSLOG_IDENTIFIER=node"}, Directory: j.Directory()})
		huge := strings.Repeat("y", MaxLineBytes)
		j.Send("SYSLOG_IDENTIFIER=node", "MESSAGE=one\nforged\n")
		j.Send("SYSLOG_IDENTIFIER=node", "MESSAGE="+huge)
		j.Send("SYSLOG_IDENTIFIER=node", "MESSAGE="+huge+"z")
		j.Send("SYSLOG_IDENTIFIER=node", "NO_MESSAGE=1")
		j.Send("SYSLOG_IDENTIFIER=node", "MESSAGE=")
		j.Send("SYSLOG_IDENTIFIER=node", "MESSAGE=\xff\xfe\x00=")
		f.want("✂one\nforged\n", huge, "✂"+huge, "", "\xff\xfe\x00=")
	})
}

// Docker and conmon split a container's lines themselves. No piece is a line, and
// the last one, which older ones don't mark, is told by the piece before it,
// across a restart too. What stands between on the container's other stream is
// a line, and so is what follows.
func TestJournalContainerPieces(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t)
		send := func(priority, message string, marks ...string) {
			j.Send(append([]string{"CONTAINER_NAME=kubo", "CONTAINER_ID=abc", "PRIORITY=" + priority, "MESSAGE=" + message}, marks...)...)
		}
		const unfinished = "CONTAINER_PARTIAL_MESSAGE=true"
		o := JournalOptions{Matches: []string{"CONTAINER_NAME=kubo"}, Directory: j.Directory()}
		f := start(o)
		send("3", "first", unfinished)
		send("3", "second", unfinished)
		send("6", "of stdout")
		send("3", "last")
		send("3", "whole")
		f.want("✂first", "✂second", "of stdout", "✂last", "whole")
		newer := func(n, last string) []string {
			return []string{"CONTAINER_PARTIAL_ID=1f", "CONTAINER_PARTIAL_ORDINAL=" + n, "CONTAINER_PARTIAL_LAST=" + last}
		}
		send("3", "first", append(newer("1", "false"), unfinished)...)
		send("6", "of stdout", append(newer("1", "false"), unfinished)...)
		send("3", "last", newer("2", "true")...)
		send("3", "whole")
		send("6", "last of stdout", newer("2", "true")...)
		f.want("✂first", "✂of stdout", "✂last", "whole", "✂last of stdout")
		send("3", "first", unfinished)
		f.want("✂first")
		o.Cursor = f.stop()
		send("3", "last")
		send("3", "whole")
		start(o).want("✂last", "whole")
	})
}

// What says who wrote an entry its writer can't set: the match of a container
// is safe with such a field beside it, and finds the container's lines.
func TestJournalWriters(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t)
		engine := j.Stream("docker.service", "dockerd")
		forging := start(JournalOptions{Units: []string{"docker"}, Directory: j.Directory()})
		j.Send("CONTAINER_NAME=kubo", "_SYSTEMD_UNIT=docker.service", "_UID=4242", "MESSAGE=forged")
		j.Sync()
		write(t, engine, "its own\n")
		forging.want("its own")
	})
	dir := t.TempDir()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	entry := func(fields ...string) journaltest.Entry {
		at = at.Add(time.Second)
		return journaltest.Entry{Time: at, Fields: fields}
	}
	journaltest.WriteFile(t, dir, "a", []journaltest.Entry{
		entry("CONTAINER_NAME=kubo", "_UID=1001", "MESSAGE=forged"),
		entry("CONTAINER_NAME=kubo", "_UID=0", "MESSAGE=of the container"),
		entry("_SYSTEMD_USER_UNIT=node.service", "_SYSTEMD_UNIT=user@1001.service", "_UID=1001", "MESSAGE=forged"),
		entry("_SYSTEMD_USER_UNIT=node.service", "_SYSTEMD_UNIT=user@1000.service", "_UID=1000", "MESSAGE=of the unit"),
	})
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		start(JournalOptions{Matches: []string{"CONTAINER_NAME=kubo", "_UID=0"}, Directory: dir, Since: allTime}).want("of the container")
		start(JournalOptions{UserUnits: []string{"node"}, Matches: []string{"_UID=1000"}, Directory: dir, Since: allTime}).want("of the unit")
	})
}

func TestJournalSuppressed(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		// The burst is multiplied by what the free space allows, at least by 1
		// (systemd, src/journal/journald-rate-limit.c).
		j := journaltest.Start(t, "RateLimitIntervalSec=2s", "RateLimitBurst=10")
		node := j.Stream("node.service", "node")
		f := start(JournalOptions{Units: []string{"node.service"}, Directory: j.Directory()})
		const sent = 2000
		text, _ := numbered(0, sent)
		write(t, node, text)
		// journald says so only with the next message after the interval.
		deadline := time.Now().Add(patience)
		extra := 0
		for f.src.Stats().Suppressed == 0 && time.Now().Before(deadline) {
			write(t, node, "poke\n")
			extra++
			select {
			case b := <-f.out:
				f.lines = append(f.lines, b.Lines...)
			case <-time.After(100 * time.Millisecond):
			}
		}
		if got := f.src.Stats().Suppressed; got == 0 || got > sent+uint64(extra) {
			t.Errorf("suppressed: %d", got)
		}
		if slices.ContainsFunc(f.lines, func(l Line) bool { return strings.Contains(l.Text, "Suppressed") }) {
			t.Error("journald's notice came as a line of the node")
		}
	})
}

// Journal files in a directory, as journal-remote writes them.
func TestJournalDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)
	var entries []journaltest.Entry
	for i := range 20 {
		entries = append(entries, journaltest.Entry{
			Time:   at.Add(time.Duration(i) * time.Second),
			Fields: []string{fmt.Sprintf("_SYSTEMD_UNIT=u%d.service", i%2), fmt.Sprintf("MESSAGE=m%d", i), "HOST=" + fmt.Sprint(i%4)},
		})
	}
	entries = append(entries, journaltest.Entry{
		Time:   at.Add(time.Hour),
		Fields: []string{"_SYSTEMD_UNIT=user@1000.service", "_SYSTEMD_USER_UNIT=u1.service", "MESSAGE=user's"},
	})
	journaltest.WriteFile(t, dir, "a", entries)
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		f := start(JournalOptions{Units: []string{"u1"}, Directory: dir, Since: at.Add(15 * time.Second)})
		for len(f.lines) == 0 {
			f.next()
		}
		if !f.lines[0].Time.Equal(at.Add(15 * time.Second)) {
			t.Errorf("time: %v", f.lines[0].Time)
		}
		f.want("m15", "m17", "m19")
		start(JournalOptions{Units: []string{"u1", "u0"}, Directory: dir, Since: at.Add(17 * time.Second)}).want("m17", "m18", "m19")
		start(JournalOptions{Units: []string{"u1", "u0"}, Matches: []string{"HOST=1", "HOST=2"}, Directory: dir, Since: at.Add(10 * time.Second)}).want("m10", "m13", "m14", "m17", "m18")
		start(JournalOptions{UserUnits: []string{"u1"}, Directory: dir, Since: at}).want("user's")
		start(JournalOptions{Matches: []string{"HOST=3"}, Directory: dir, Since: at}).want("m3", "m7", "m11", "m15", "m19")
	})
}
