package sources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// JournalOptions say which entries a Journal reads, and from where.
type JournalOptions struct {
	// Name is the name of the source, for Batch.Source.
	Name string
	// Units are system units, UserUnits units of users' own managers; ".service"
	// is added to a name without a suffix. Every user may have a user unit of any
	// name: Matches with his _UID says whose is meant.
	Units, UserUnits []string
	// Matches are FIELD=value as journalctl takes them: different fields must
	// all match, of one field any value. They narrow Units and UserUnits. Whoever
	// writes an entry chooses its fields but those that begin with "_"
	// (systemd.journal-fields(7)), so without a match of one such as _UID, every
	// local user can write into the source.
	Matches []string
	// Directory holds journal files; empty for the journal of this machine.
	Directory string
	// Cursor resumes after the batch that carried it; empty, or a File's, to begin
	// anew.
	Cursor string
	// Since begins at entries of that time where there is no Cursor; zero for
	// only what is logged from now on, time.Unix(0, 0) for all there is.
	Since time.Time
	// Log is told about lost positions and suppressed messages; nil for silence.
	Log *slog.Logger
}

// Journal follows the systemd journal.
//
// An entry is one line. It is Cut when journald ended it for another reason
// than a newline (_LINE_BREAK: longer than LineMax, a NUL byte, another process
// on the same stream, the end of the stream), when the entry of its stream
// before it was, and when its MESSAGE holds a newline: such an entry came by
// the native protocol, and what stands behind the newline is no line of its own.
// So are the pieces of a line that Docker or conmon (Podman) split.
type Journal struct {
	meter
	opts   JournalOptions
	terms  [][]string
	cursor journalCursor
	open   func(directory string, terms [][]string) (journalReader, error)
	retry  time.Duration
}

var (
	_ Source   = (*Journal)(nil)
	_ Reporter = (*Journal)(nil)
)

const (
	// lookBack is how many entries before the first one wanted are looked at,
	// for a cut one that the first one may continue.
	lookBack = 100
	// retryAfter is the pause after a journal that could not be read.
	retryAfter = time.Second
)

// journalReader is a way to read the journal. There are two: libsystemd and the
// journalctl program.
type journalReader interface {
	// last returns the last n entries before until (or of all, when that is
	// zero), old to new.
	last(ctx context.Context, n int, until time.Time) ([]entry, error)
	// follow begins behind the entry with that cursor, or at the oldest one
	// when it is empty. If that entry is gone, it begins at the one after it
	// and says that it was not found.
	follow(ctx context.Context, cursor string) (found bool, err error)
	// next blocks for the next entries and returns as many as are there, at
	// least one and at most MaxBatchLines and about MaxBatchBytes.
	next(ctx context.Context) ([]entry, error)
	// units returns the system units that have entries.
	units(ctx context.Context) ([]string, error)
	close()
}

// entry is what we need of a journal entry.
type entry struct {
	message string
	// none is set for an entry without MESSAGE, over when it was longer than
	// MaxLineBytes (and was shortened).
	none, over bool
	time       time.Time
	// cursor is empty but for the last entry of those returned together.
	cursor string
	// stream, lineBreak and pid are _STREAM_ID, _LINE_BREAK and _PID.
	stream, lineBreak, pid string
	piece                  containerPiece
	// dropped is how many messages journald says it threw away; 0 for an entry
	// that is no such notice.
	dropped uint64
}

// ErrNoJournal is returned where there is no way to read a journal: no
// libsystemd (or, built without cgo, no journalctl), or no journal.
var ErrNoJournal = errors.New("this machine's systemd journal can't be read")

// NewJournal opens the journal once to see that it can be read and returns a
// source that follows it. It starts nothing.
func NewJournal(o JournalOptions) (*Journal, error) { return newJournal(o, openJournal) }

func newJournal(o JournalOptions, open func(string, [][]string) (journalReader, error)) (*Journal, error) {
	o.Units, o.UserUnits = unitNames(o.Units), unitNames(o.UserUnits)
	terms, err := o.terms()
	if err != nil {
		return nil, err
	}
	o.Cursor = ownCursor(o.Cursor, "files")
	cursor, err := parseJournalCursor(o.Cursor)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := checkJournalFiles(o.Directory); err != nil {
		return nil, err
	}
	r, err := open(o.Directory, terms)
	if err != nil {
		return nil, err
	}
	r.close()
	j := &Journal{opts: o, terms: terms, cursor: cursor, open: open, retry: retryAfter}
	j.s = Stats{Lag: -1, Following: []string{j.String()}}
	return j, nil
}

// unitNames adds the suffix that systemctl(1) adds.
func unitNames(names []string) []string {
	names = slices.Clone(names)
	for i, n := range names {
		if !strings.Contains(n, ".") {
			names[i] = n + ".service"
		}
	}
	return names
}

var matchForm = expression(`^[A-Z_][A-Z0-9_]*=`)

// messageDropped is SD_MESSAGE_JOURNAL_DROPPED (systemd, src/systemd/sd-messages.h):
// journald's notice that its rate limit threw messages away. Anybody may send
// such a field; fromJournald nobody else can.
const (
	messageDropped = "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e"
	fromJournald   = "_TRANSPORT=driver"
)

// terms returns the matches: an entry is wanted when all of one term match it.
func (o JournalOptions) terms() ([][]string, error) {
	for _, m := range o.Matches {
		if !matchForm().MatchString(m) {
			return nil, fmt.Errorf("journal match %q: expected FIELD=value, such as _UID=1000", m)
		}
	}
	var terms [][]string
	for _, u := range o.Units {
		terms = append(terms,
			append([]string{"_SYSTEMD_UNIT=" + u}, o.Matches...),
			[]string{messageDropped, fromJournald, "OBJECT_SYSTEMD_UNIT=" + u})
	}
	for _, u := range o.UserUnits {
		terms = append(terms,
			append([]string{"_SYSTEMD_USER_UNIT=" + u}, o.Matches...),
			[]string{messageDropped, fromJournald, "OBJECT_SYSTEMD_USER_UNIT=" + u})
	}
	if len(terms) > 0 {
		return terms, nil
	}
	if len(o.Matches) == 0 {
		return nil, errors.New("journal: name a unit or a match")
	}
	return [][]string{slices.Clone(o.Matches), {messageDropped, fromJournald}}, nil
}

// String names the units, or the matches.
func (j *Journal) String() string {
	var parts []string
	if len(j.opts.Units) > 0 {
		parts = append(parts, "unit "+joinNames(j.opts.Units))
	}
	if len(j.opts.UserUnits) > 0 {
		parts = append(parts, "user unit "+joinNames(j.opts.UserUnits))
	}
	if len(parts) == 0 {
		return "journal " + joinNames(j.opts.Matches)
	}
	return joinNames(parts)
}

func joinNames(names []string) string { return strings.Join(names, ", ") }

// Run follows the journal until ctx ends. The first batch may have no lines,
// only a cursor: it says where reading began. A journal that can't be read for
// a while is a problem in the Stats, not an end. Run may be called once.
func (j *Journal) Run(ctx context.Context, out chan<- Batch) error {
	state := newJournalState(j.cursor)
	began := j.opts.Cursor != ""
	for {
		err := j.follow(ctx, out, state, &began)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		j.solved(state.trouble)
		state.trouble = "the journal can't be read, trying again: " + err.Error()
		if j.problem(state.trouble) {
			j.opts.Log.Warn(state.trouble)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(j.retry):
		}
	}
}

// follow opens the journal and reads until something fails.
func (j *Journal) follow(ctx context.Context, out chan<- Batch, state *journalState, began *bool) error {
	r, err := j.open(j.opts.Directory, j.terms)
	if err != nil {
		return err
	}
	defer r.close()
	if !*began {
		if err := j.begin(ctx, r, state); err != nil {
			return err
		}
		*began = true
	}
	if state.cursor == "" { // it holds nothing of them: will it ever?
		j.checkUnits(ctx, state)
	}
	found, err := r.follow(ctx, state.cursor)
	if err != nil {
		return err
	}
	if !found {
		text := "the position in the journal is lost: the entry read last was deleted, and maybe some after it"
		j.lost(text)
		j.opts.Log.Warn(text)
	}
	if err := j.send(ctx, out, state, nil); err != nil {
		return err
	}
	for {
		entries, err := r.next(ctx)
		if err != nil {
			return err
		}
		j.solved(state.trouble)
		if err := j.send(ctx, out, state, entries); err != nil {
			return err
		}
	}
}

// checkUnits makes a problem of a unit that nobody knows, until something comes
// all the same: its name may be mistyped.
func (j *Journal) checkUnits(ctx context.Context, state *journalState) {
	for _, u := range j.opts.Units {
		var unknown *UnknownUnitError
		if errors.As(checkUnit(ctx, u, j.opts.Directory, j.open), &unknown) {
			state.trouble = unknown.Error()
			if j.problem(state.trouble) {
				j.opts.Log.Warn(state.trouble)
			}
			return
		}
	}
}

// begin finds the entry to begin after, where no cursor says so.
func (j *Journal) begin(ctx context.Context, r journalReader, state *journalState) error {
	entries, err := r.last(ctx, lookBack, j.opts.Since)
	if err != nil {
		return err
	}
	for i := range entries {
		state.cut(&entries[i])
	}
	if n := len(entries); n > 0 {
		state.cursor = entries[n-1].cursor
	}
	return nil
}

// send makes a batch of the entries.
func (j *Journal) send(ctx context.Context, out chan<- Batch, state *journalState, entries []entry) error {
	b := Batch{Source: j.opts.Name, Stream: j.String()}
	for i := range entries {
		e := &entries[i]
		if e.dropped > 0 {
			j.suppressed(e)
			continue
		}
		cut, head := state.cut(e)
		if e.none {
			continue
		}
		b.Lines = append(b.Lines, Line{Text: e.message, Time: e.time, Cut: cut, Head: head})
	}
	if n := len(entries); n > 0 {
		state.cursor = entries[n-1].cursor
	}
	b.Cursor = state.encode()
	j.sending(b)
	select {
	case out <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (j *Journal) suppressed(e *entry) {
	j.update(func(s *Stats) { s.Suppressed += e.dropped })
	j.opts.Log.Warn("journald threw messages away before they could be read; raise its rate limit", "notice", e.message)
}
