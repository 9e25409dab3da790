package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// DamagedError says that the state file can't be read.
type DamagedError struct {
	Path string
	// Foreign says that the file is whole but another program's database:
	// OpenOrSetAside leaves such a file alone.
	Foreign bool
	Err     error
}

func (e *DamagedError) Error() string {
	if e.Foreign {
		return fmt.Sprintf("state: %s is not p2pban's: %v: set [daemon] state to another path", e.Path, e.Err)
	}
	return fmt.Sprintf("state: %s is damaged: %v", e.Path, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// NewerError says that a later p2pban wrote the file.
type NewerError struct {
	Path         string
	Schema, Ours int
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("state: %s was written by a newer p2pban (schema %d, this one knows up to %d): install that version again, or move the file away to start without its bans",
		e.Path, e.Schema, e.Ours)
}

// classify adds what was being done, and turns SQLite's two codes for a broken
// file into a *DamagedError.
func (s *Store) classify(doing string, err error) error {
	if err == nil {
		return nil
	}
	var damaged *DamagedError
	var newer *NewerError
	if errors.As(err, &damaged) || errors.As(err, &newer) {
		return err
	}
	var sq *sqlite.Error
	if errors.As(err, &sq) {
		switch sq.Code() & 0xff { // the low byte is the primary result code
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return &DamagedError{Path: s.path, Err: err}
		}
	}
	return fmt.Errorf("state: %s %s: %w", doing, s.path, err)
}

// OpenOrSetAside is Open and Load, and where they find damage renames the file
// to path.damaged-<UTC time>, deleting nothing, and opens a fresh one. aside
// is the new name, empty when nothing was damaged. A foreign, newer or locked
// file is an error as in Open.
func OpenOrSetAside(path string) (s *Store, aside string, err error) {
	s, err = Open(path)
	if err == nil {
		if _, err = s.Load(context.Background()); err == nil {
			return s, "", nil
		}
		s.Close()
	}
	var damaged *DamagedError
	if !errors.As(err, &damaged) || damaged.Foreign {
		return nil, "", err
	}
	if aside, err = setAside(damaged.Path); err != nil {
		return nil, "", err
	}
	s, err = Open(path)
	return s, aside, err
}

// setAside renames the database and its companions, under the lock.
func setAside(path string) (string, error) {
	lock, err := takeLock(path)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	aside := path + ".damaged-" + time.Now().UTC().Format("20060102T150405Z")
	for n, base := 2, aside; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s-%d", base, n)
	}
	// The database goes last: were we killed in between, a left-over WAL would
	// be played into the fresh file.
	for _, suffix := range []string{"-wal", "-shm", ""} {
		err := os.Rename(path+suffix, aside+suffix)
		if err != nil && !(suffix != "" && errors.Is(err, fs.ErrNotExist)) {
			return "", fmt.Errorf("state: setting the damaged file aside: %w", err)
		}
	}
	return aside, syncDir(filepath.Dir(path))
}

// syncDir makes renames in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}
