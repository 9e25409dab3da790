package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// maxStreams bounds the streams of one source whose clocks are remembered; the
// one that was quiet the longest is forgotten first. A file that is rotated
// keeps its name, so real sources have a handful.
const maxStreams = 64

// source is one configured log source: the task that reads it, and what the
// engine knows of its lines.
type source struct {
	spec config.Source // never changed, for both look at it
	log  *slog.Logger

	// The engine's alone:
	parser              *parser.Parser
	trust               bool // by the configuration in force; what spec says may be outdated
	streams             map[string]*reader
	tally               Tally     // of streams that were forgotten
	looked              bool      // it has looked at its log
	made                time.Time // it should have looked soon after
	lastLine, lastEvent time.Time
	risks               parser.Risks
	holes               holes // of streams that are not read now
	flow                flow
	ruleset             *parser.Ruleset

	mu     sync.Mutex
	reads  sources.Source // guarded by mu; nil while it can't be opened
	failed string         // guarded by mu: why it can't be read, until it can

	// resume says up to where the source's lines are judged, when all it has
	// sent are.
	resume func(context.Context) (cursor string, err error)
	stop   context.CancelFunc // set when it is started
	ended  chan struct{}      // closed when Run has returned
}

func (s *source) isStdin() bool { return slices.Equal(s.spec.Files, []string{config.Stdin}) }

// open makes the source, to go on after cursor.
func (s *source) open(cursor string) error {
	reads, err := s.make(cursor)
	if err != nil {
		err = fmt.Errorf("source %s: %w", s.spec.Name, err)
		s.set(nil, err)
		return err
	}
	s.set(reads, nil)
	return nil
}

func (s *source) make(cursor string) (sources.Source, error) {
	spec := s.spec
	switch {
	case s.isStdin():
		return sources.NewReader(spec.Name, os.Stdin), nil
	case len(spec.Files) > 0:
		return sources.NewFile(sources.FileOptions{Name: spec.Name, Patterns: spec.Files, Cursor: cursor, FromStart: spec.FromStart, Log: s.log})
	case len(spec.Containers)+len(spec.Labels) > 0:
		return sources.NewContainer(sources.ContainerOptions{Name: spec.Name, Containers: spec.Containers, Labels: spec.Labels, Cursor: cursor, FromStart: spec.FromStart, Log: s.log})
	}
	o := journalOptions(spec)
	o.Cursor, o.Since, o.Log = cursor, since(spec), s.log
	return sources.NewJournal(o)
}

// journalOptions is what a source reads of a journal.
func journalOptions(spec config.Source) sources.JournalOptions {
	return sources.JournalOptions{
		Name: spec.Name, Units: spec.Units, UserUnits: spec.UserUnits, Matches: spec.Matches, Directory: spec.Directory,
	}
}

// since is where a journal without a cursor begins: with what was logged since
// it was made. Opening it takes journalctl long enough for a node to say much.
func since(spec config.Source) time.Time {
	if spec.FromStart {
		return time.Unix(0, 0)
	}
	return time.Now()
}

// Run reads the source until ctx ends; when it fails it is opened again after
// the last line judged, for what keeps it from reading (a right, a missing
// journal) can be mended while the daemon runs.
func (s *source) Run(ctx context.Context, out chan<- sources.Batch) error {
	backoff := firstBackoff
	for {
		began := time.Now()
		err := s.read(ctx, out)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > maxBackoff {
			backoff = firstBackoff
		}
		_, failed := s.now()
		s.set(nil, err)
		if s.isStdin() { // what has ended there begins no more
			s.log.Error("nothing more comes from standard input; bans stand meanwhile", "source", s.spec.Name, "error", err)
			<-ctx.Done()
			return nil
		}
		if failed != err.Error() {
			s.log.Error("a source can't be read, trying again", "source", s.spec.Name, "error", err)
		}
		if !pause(ctx, backoff) {
			return nil
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// read reads until something fails, which the error says.
func (s *source) read(ctx context.Context, out chan<- sources.Batch) error {
	reads, _ := s.now()
	if reads == nil {
		cursor, err := s.resume(ctx)
		if err == nil {
			reads, err = s.make(cursor)
		}
		if err != nil {
			return err
		}
		s.set(reads, nil)
	}
	if err := reads.Run(ctx, out); err != nil {
		return err
	}
	return errors.New("it ended")
}

// set notes what is read, or why nothing is.
func (s *source) set(reads sources.Source, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads, s.failed = reads, ""
	if err != nil {
		s.failed = err.Error()
	}
}

// now is what is read, or why nothing is.
func (s *source) now() (reads sources.Source, failed string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads, s.failed
}

func (s *source) failure() string {
	_, failed := s.now()
	return failed
}

// stats is what the source says of itself.
func (s *source) stats() sources.Stats {
	reads, _ := s.now()
	if r, ok := reads.(sources.Reporter); ok {
		return r.Stats()
	}
	return sources.Stats{Lag: -1}
}

// what is the source in words.
func (s *source) what() string {
	if s.isStdin() {
		return "standard input"
	}
	if reads, _ := s.now(); reads != nil {
		return reads.String()
	}
	spec := s.spec
	return strings.Join(slices.Concat(spec.Files, spec.Units, spec.UserUnits, spec.Matches, spec.Containers, spec.Labels), ", ")
}

// quietAfter is for sources that can't know their lag: one that has given nothing for
// so long counts as read to its end.
const quietAfter = time.Second

// caughtUp tells whether the source has read what was there when the daemon
// began. One that waits or fails holds nobody up; what is there for one that has
// not looked yet nobody knows.
func (s *source) caughtUp(began, now time.Time) bool {
	st := s.stats()
	switch {
	case s.failure() != "", len(st.Following) == 0 && len(st.Waiting)+len(st.Problems) > 0:
		return true
	case s.awaited():
		return false
	case st.Lag < 0:
		return now.Sub(later(began, s.lastLine)) > quietAfter
	}
	return st.Lag == 0
}

// reader is the reader of one of the source's streams.
func (s *source) reader(stream string) *reader {
	if r, ok := s.streams[stream]; ok {
		return r
	}
	if len(s.streams) >= maxStreams {
		s.forgetOldest()
	}
	r := &reader{parser: s.parser, scanner: parser.NewScanner(s.parser), trust: s.trust, risks: s.holes[stream]}
	delete(s.holes, stream)
	if len(s.spec.Files) > 0 && !slices.Equal(s.spec.Files, []string{config.Stdin}) {
		r.pieces.Lost() // it may go on in the middle of a file
	}
	s.streams[stream] = r
	return r
}

func (s *source) forgetOldest() {
	var oldest string
	for name, r := range s.streams {
		if o := s.streams[oldest]; o == nil || r.last.Before(o.last) || r.last.Equal(o.last) && name < oldest {
			oldest = name
		}
	}
	s.tally.add(&s.streams[oldest].tally)
	s.holes.keep(oldest, s.streams[oldest].shown())
	delete(s.streams, oldest)
}

// total is what became of the source's lines.
func (s *source) total() Tally {
	t := s.tally
	for _, r := range s.streams {
		t.add(&r.tally)
	}
	return t
}

// noteRisk keeps the holes that a reader has seen the witnesses of.
func (s *source) noteRisk(r *reader) { s.risks |= r.risks }

// status describes the source for people.
func (s *source) status() control.SourceStatus {
	st := s.stats()
	t := s.total()
	return control.SourceStatus{
		Name: s.spec.Name, What: s.what(), State: s.state(st),
		Lines: t.Lines, Events: t.Events, Cut: int64(st.Cut),
		LastLine: optional(s.lastLine), LastEvent: optional(s.lastEvent), Lag: st.Lag,
		LastRecognised: optional(s.flow.recognised.last), Suppressed: int64(st.Suppressed),
	}
}

// The states of a source that nothing is wrong with.
const (
	// stateStarting is that of one that has not looked at its log yet. Where no
	// position is saved it begins at the end that it finds then.
	stateStarting = "starting"
	// stateReading promises that what is written to the log is read.
	stateReading = "reading"
)

// state says in words whether the source is being read.
func (s *source) state(st sources.Stats) string {
	switch why := s.failure(); {
	case why != "":
		return "failed: " + why
	case len(st.Problems) > 0:
		return "trouble: " + st.Problems[len(st.Problems)-1]
	case len(st.Following) == 0 && len(st.Waiting) > 0:
		return "waiting for " + strings.Join(st.Waiting, ", ")
	case s.awaited():
		return stateStarting
	}
	return stateReading
}
