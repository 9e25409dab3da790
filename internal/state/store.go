// Package state keeps what must survive a restart: the bans in force, how far
// each source was read, the jail's windows, and the history of decisions. It
// is one SQLite file with one owner, and it never judges: what it is given it
// gives back, or it says that the file is damaged.
//
// Bans are the truth about who is out, and are written before they are
// enforced; the jail's snapshot holds windows and counts. They are saved at
// different moments, so a caller that starts again restores the snapshot first
// and then brings its bans to what Saved.Bans says.
//
// The file is in WAL mode with synchronous=NORMAL: a killed process loses
// nothing that was saved; a power cut may lose the last moments but never half
// a transaction. The cursors stand in the same file, so the lines of a lost
// moment are read again.
package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the database/sql driver named "sqlite"
)

// Store is an open state file. Its methods may be called from any goroutine;
// they run one at a time, each as one or more short transactions.
type Store struct {
	db   *sql.DB
	path string
	lock *os.File
	// checkpointing keeps two Checkpoints from writing the same generation.
	checkpointing sync.Mutex
}

// Open opens the state file at path, or makes one (mode 0600, in a directory
// made with mode 0700), and holds it for itself until Close.
//
// It fails with a *LockedError (errors.Is ErrLocked) when another process
// holds the file, with a *DamagedError when what is there can't be read or was
// written by another program, and with a *NewerError when a later p2pban wrote it.
func Open(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("state: making the directory: %w", err)
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	s, err := openLocked(path)
	if err != nil {
		lock.Close()
		return nil, err
	}
	s.lock = lock
	return s, nil
}

// openLocked opens the file at path; the caller holds its lock.
func openLocked(path string) (*Store, error) {
	if err := makeFile(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	// One connection: SQLite has one writer anyway, and a pool would only turn
	// waiting into SQLITE_BUSY.
	db.SetMaxOpenConns(1)
	s := &Store{db: db, path: path}
	if err := s.prepare(context.Background()); err != nil {
		db.Close()
		return nil, s.classify("opening", err)
	}
	return s, nil
}

// makeFile makes the file with its mode before SQLite does, which would use
// 0644; the -wal and -shm files take their mode from it.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("state: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("state: %s is not a regular file", path)
	}
	if info.Size() == 0 {
		// We never leave an empty file, except when killed in the moment of
		// making one: the bans that stood in it are gone, and that must be told.
		return &DamagedError{Path: path, Err: errors.New("the file is empty")}
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return fmt.Errorf("state: %w", err)
		}
	}
	return nil
}

// dsn is the connection string: the pragmas stand in it so that a reconnect by
// database/sql has them too.
func dsn(path string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_busy_timeout": {"5000"}, // an operator may be looking with sqlite3
		"_journal_mode": {"WAL"},
		"_synchronous":  {"NORMAL"},
		"_txlock":       {"immediate"},
		"_defensive":    {"1"},
		"_dqs":          {"0"},
		"_pragma": {
			"trusted_schema(OFF)",
			"cell_size_check(ON)",
			// The WAL file grows with the largest snapshot; give that back.
			"journal_size_limit(16777216)",
		},
	}.Encode()}
	return u.String()
}

// Path is the absolute path of the file.
func (s *Store) Path() string { return s.path }

// Close closes the file and gives up the lock.
func (s *Store) Close() error {
	err := s.db.Close()
	// The lock goes last: until then the file is ours.
	return errors.Join(err, s.lock.Close())
}

// inTx runs f in one transaction, named for errors by doing.
func (s *Store) inTx(ctx context.Context, doing string, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.classify(doing, err)
	}
	if err := f(tx); err != nil {
		tx.Rollback()
		return s.classify(doing, err)
	}
	return s.classify(doing, tx.Commit())
}
