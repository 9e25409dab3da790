package sources

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"
)

// JournalOptions say which entries a Journal reads, and from where.
type JournalOptions struct {
	// Name is the name of the source, for Batch.Source.
	Name string
	// Units are system units, UserUnits units of users' own managers; ".service"
	// is added to a name without a suffix.
	Units, UserUnits []string
	// Matches are FIELD=value as journalctl takes them: different fields must
	// all match, of one field any value. They narrow Units and UserUnits.
	Matches []string
	// Directory holds journal files; empty for the journal of this machine.
	Directory string
	// Cursor resumes after the batch that carried it; empty to begin anew.
	Cursor string
	// Since begins at entries of that time where there is no Cursor; zero for
	// only what is logged from now on, time.Unix(0, 0) for all there is.
	Since time.Time
	// Log is told about lost positions and suppressed messages; nil for silence.
	Log *slog.Logger
}

// Journal follows the systemd journal.
type Journal struct {
	meter
	opts JournalOptions
}

var (
	_ Source   = (*Journal)(nil)
	_ Reporter = (*Journal)(nil)
)

// ErrNoJournal is returned where there is no way to read a journal: no
// libsystemd (or, built without cgo, no journalctl).
var ErrNoJournal = errors.New("this machine has no library to read the systemd journal")

// UnknownUnitError says that neither systemd nor the journal knows a unit.
type UnknownUnitError struct {
	Unit string
	// Similar are units in the journal that may be meant.
	Similar []string
}

func (e *UnknownUnitError) Error() string {
	msg := "unit " + e.Unit + " does not exist: neither systemd nor the journal knows it"
	if len(e.Similar) > 0 {
		msg += "; there is " + strings.Join(e.Similar, ", ")
	}
	return msg
}

// NewJournal opens the journal once to see that it can be read and returns a
// source that follows it. It starts nothing.
func NewJournal(o JournalOptions) (*Journal, error) {
	return &Journal{opts: o, meter: meter{s: Stats{Lag: -1}}}, nil
}

// CheckUnit returns nil if systemd knows the unit or the journal (in directory,
// or of this machine when that is empty) has entries of it, and an
// *UnknownUnitError if neither. Where systemd can't be asked, the journal
// decides.
func CheckUnit(ctx context.Context, unit, directory string) error {
	return errors.New("checking a unit is not built yet")
}

// String names the units, or the matches.
func (j *Journal) String() string {
	names := append(append([]string{}, j.opts.Units...), j.opts.UserUnits...)
	if len(names) > 0 {
		return "unit " + joinNames(names)
	}
	return "journal " + joinNames(j.opts.Matches)
}

// Run follows the journal until ctx ends.
func (j *Journal) Run(ctx context.Context, out chan<- Batch) error {
	return errors.New("reading the journal is not built yet")
}

func joinNames(names []string) string { return strings.Join(names, ", ") }
