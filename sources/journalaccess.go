package sources

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// journalDirs are where journald keeps its files (systemd-journald.service(8)).
var journalDirs = []string{"/var/log/journal", "/run/log/journal"}

// journalDirsOf are those of the directory alone, or journalDirs where it is empty.
func journalDirsOf(directory string) []string {
	if directory == "" {
		return journalDirs
	}
	return []string{directory}
}

// activeJournals gives the paths of the files that journald writes to now, in
// directory or, where that is empty, in journalDirs.
func activeJournals(directory string) (paths []string) {
	for _, dir := range journalDirsOf(directory) {
		for _, pattern := range []string{"*.journal", "*/*.journal"} {
			all, _ := filepath.Glob(filepath.Join(dir, pattern)) // the pattern is well formed
			for _, path := range all {
				if archived := strings.Contains(filepath.Base(path), "@"); !archived {
					paths = append(paths, path)
				}
			}
		}
	}
	return paths
}

// checkJournalFiles fails when there is no journal, or none of it may be read:
// the library would only be silent.
func checkJournalFiles(directory string) error {
	dirs := journalDirsOf(directory)
	exists := false
	var denied error
	for _, dir := range dirs {
		switch _, err := os.ReadDir(dir); {
		case err == nil:
			exists = true
		case errors.Is(err, fs.ErrPermission):
			denied = explainOpen(dir, err)
		}
	}
	if denied != nil && !exists {
		return denied
	}
	if !exists {
		return fmt.Errorf("%w: %s does not exist", ErrNoJournal, strings.Join(dirs, " or "))
	}
	return checkReadable(dirs)
}

// checkReadable fails if there are system journals and we may read none.
func checkReadable(dirs []string) error {
	var denied error
	for _, dir := range dirs {
		top, _ := filepath.Glob(filepath.Join(dir, "*.journal")) // the pattern is well formed
		below, _ := filepath.Glob(filepath.Join(dir, "*", "system*.journal"))
		for _, path := range append(top, below...) {
			f, err := os.Open(path)
			if err == nil {
				return f.Close()
			}
			if errors.Is(err, fs.ErrPermission) {
				denied = explainOpen(path, err)
			}
		}
	}
	return denied
}

// UnknownUnitError says that neither systemd nor the journal knows a unit.
type UnknownUnitError struct {
	Unit string
	// Similar are units in the journal that may be meant.
	Similar []string
	// OfUser is set where the journal has entries of a user's own unit of that name.
	OfUser bool
}

func (e *UnknownUnitError) Error() string {
	msg := "unit " + e.Unit + " does not exist: neither systemd nor the journal knows it"
	if len(e.Similar) > 0 {
		msg += "; there is " + joinNames(e.Similar)
	}
	if e.OfUser {
		msg += "; but a user's own service manager has one of that name: userunit = \"" + e.Unit + "\" reads it, with the user's number beside it (match = \"_UID=1000\")"
	}
	return msg
}

// CheckUnit returns nil if systemd knows the unit or the journal (in directory,
// or of this machine when that is empty) has entries of it, and an
// *UnknownUnitError if neither. Where systemd can't be asked, the journal
// decides.
func CheckUnit(ctx context.Context, unit, directory string) error {
	return checkUnit(ctx, unit, directory, openJournal)
}

func checkUnit(ctx context.Context, unit, directory string, open func(string, [][]string) (journalReader, error)) error {
	unit = unitNames([]string{unit})[0]
	if err := checkJournalFiles(directory); err != nil {
		return err
	}
	if directory == "" && loaded(ctx, unit) {
		return nil
	}
	r, err := open(directory, [][]string{{"_SYSTEMD_UNIT=" + unit}})
	if err != nil {
		return err
	}
	defer r.close()
	if logged, err := hasEntry(ctx, r); logged || err != nil {
		return err
	}
	units, err := r.units(ctx)
	if err != nil {
		return err
	}
	ofUser, err := open(directory, [][]string{{"_SYSTEMD_USER_UNIT=" + unit}})
	if err != nil {
		return err
	}
	defer ofUser.close()
	logged, err := hasEntry(ctx, ofUser)
	if err != nil {
		return err
	}
	return &UnknownUnitError{Unit: unit, Similar: similar(unit, units), OfUser: logged}
}

// hasEntry tells whether a reader has an entry to give.
func hasEntry(ctx context.Context, r journalReader) (bool, error) {
	entries, err := r.last(ctx, 1, time.Time{})
	return len(entries) > 0, err
}

// loaded says whether systemd knows a unit.
func loaded(ctx context.Context, unit string) bool {
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--property=LoadState", "--value", "--", unit).Output()
	return err == nil && strings.TrimSpace(string(out)) == "loaded"
}

// maxSimilar bounds UnknownUnitError.Similar.
const maxSimilar = 3

// similar returns the units whose name holds that of unit, or is held by it.
func similar(unit string, units []string) []string {
	stem := func(u string) string {
		s, _, _ := strings.Cut(strings.ToLower(u), ".")
		s, _, _ = strings.Cut(s, "@")
		return s
	}
	var found []string
	slices.Sort(units)
	for _, u := range slices.Compact(units) {
		a, b := stem(u), stem(unit)
		if len(found) < maxSimilar && (strings.Contains(a, b) || strings.Contains(b, a)) {
			found = append(found, u)
		}
	}
	return found
}
