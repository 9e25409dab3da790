// Package state keeps what must survive a restart: the bans in force, how far
// each source was read, the jail's windows, and the history of decisions. It
// is one SQLite file with one owner, and it never judges: what it is given it
// gives back, or it says that the file is damaged.
//
// Bans are the truth about who is out, and are written before anybody is
// told of them; the jail's snapshot holds windows and counts. They are saved at
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
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the database/sql driver named "sqlite"
)

// Store is an open state file. Its methods may be called from any goroutine;
// they run one at a time, each as one or more short transactions.
type Store struct {
	db   *sql.DB
	path string
	file os.FileInfo // which file is open; set before the Store is given out
	lock *os.File
	// statements is set before the Store is given out.
	statements statements
	saving     sync.Mutex // keeps two SaveDecisions from taking the same rows
	index      index      // guarded by saving
	newest     int64      // guarded by saving: the number of the newest decision in the history
	// checkpointing keeps two Checkpoints from writing the same generation.
	checkpointing sync.Mutex
	unmarked      bool // guarded by checkpointing: there is no mark any more, see markAside
}

// Open opens the state file at path, or makes one (mode 0600, in a directory
// made with mode 0700), and holds it for itself until Close. saved is all that
// was in it, every checksum of which fitted.
//
// It fails with a *LockedError (errors.Is ErrLocked) when another process
// holds the file, with a *DamagedError when what is there can't be read or was
// written by another program, and with a *NewerError when a later p2pban wrote
// it; it has then changed nothing.
func Open(path string) (s *Store, saved Saved, err error) {
	s, saved, _, err = openPath(path, false)
	return s, saved, err
}

// OpenOrSetAside is Open, but a damaged file is renamed to path.damaged-<UTC
// time>, with its -wal if it has one, and a fresh one made, with the bans that could
// still be read; saved is that, and the checkpoint if it could. aside is the new
// name, empty when nothing was damaged; it comes again with each call until the
// fresh file has a checkpoint, for whoever is to make good what is lost may be
// killed meanwhile. The last maxAside damaged files are kept.
func OpenOrSetAside(path string) (s *Store, saved Saved, aside string, err error) {
	return openPath(path, true)
}

func openPath(path string, mayRename bool) (s *Store, saved Saved, aside string, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, saved, "", fmt.Errorf("state: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, saved, "", fmt.Errorf("state: making the directory: %w", err)
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, saved, "", err
	}
	saved, ids, err := inspect(path, url.Values{"mode": {"ro"}})
	var damaged *DamagedError
	if errors.As(err, &damaged) && !damaged.Foreign && mayRename {
		aside, err = setAside(path)
	} else if err == nil && mayRename && len(saved.Checkpoint.Snapshot) == 0 {
		aside, err = markedAside(path)
	}
	if err == nil {
		s, err = openChecked(path, &saved, ids)
	}
	if err == nil {
		if s.file, err = os.Stat(path); err != nil {
			s.db.Close()
			err = fmt.Errorf("state: %w", err)
		}
	}
	if err == nil && aside != "" && len(saved.Bans) == 0 {
		saved = salvage(aside)
		if err = s.SaveInForce(context.Background(), saved.Bans); err != nil {
			s.db.Close()
		}
	}
	if err != nil {
		lock.Close()
		return nil, Saved{}, aside, err
	}
	s.lock = lock
	return s, saved, aside, nil
}

// Check says what Open would say of the file at path, without making or changing
// any. Of one with a WAL it says only whether it is a *NewerError: that is open, or
// was left by a process that was killed, and can't be read whole without leaving
// traces. An empty WAL is what a daemon leaves that refused the file.
func Check(path string) error {
	if wal, err := os.Lstat(path + "-wal"); err == nil && wal.Size() > 0 {
		return checkHeader(path)
	}
	_, _, err := inspect(path, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	return err
}

// checkHeader looks at the first bytes alone: they are as they were when the WAL was
// last played in, which is soon. The offsets are those of the "Database File Format",
// 1.3.
func checkHeader(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil // what is wrong with the file says who opens it
	}
	defer f.Close()
	var header [72]byte
	if _, err := io.ReadFull(f, header[:]); err != nil {
		return nil
	}
	version, application := binary.BigEndian.Uint32(header[60:]), binary.BigEndian.Uint32(header[68:])
	if application == applicationID && version > schemaVersion {
		return &NewerError{Path: path, Schema: int(version), Ours: schemaVersion}
	}
	return nil
}

// minDatabase is the size of SQLite's smallest page, hence of its smallest file
// (its "Database File Format", 1.3.2). A shorter one it may take for empty.
const minDatabase = 512

// inspect reads the whole file, if there is one, and changes nothing: not even
// the WAL is played in, as a writer would do on closing. ids are the rows of the
// bans.
func inspect(path string, options url.Values) (saved Saved, ids []int64, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return saved, nil, nil
	case err != nil:
		return saved, nil, fmt.Errorf("state: %w", err)
	case !info.Mode().IsRegular():
		return saved, nil, fmt.Errorf("state: %s is not a regular file", path)
	case info.Size() == 0:
		// We never leave an empty file, except when killed in the moment of
		// making one: the bans that stood in it are gone, and that must be told.
		return saved, nil, &DamagedError{Path: path, Err: errors.New("the file is empty")}
	case info.Size() < minDatabase:
		return saved, nil, &DamagedError{Path: path, Err: fmt.Errorf("%d bytes are left of it", info.Size())}
	}
	s, err := connect(path, options)
	if err != nil {
		return saved, nil, err
	}
	defer s.db.Close()
	saved, ids, err = s.read(context.Background())
	return saved, ids, s.classify("reading", err)
}

// openChecked opens a file that was inspected, or makes a new one.
func openChecked(path string, saved *Saved, ids []int64) (*Store, error) {
	// SQLite would make it with 0644. The -wal and -shm files take their mode
	// from it.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	made := err == nil
	if errors.Is(err, fs.ErrExist) {
		f, err = os.OpenFile(path, os.O_RDWR, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	s, err := connect(path, url.Values{"_txlock": {"immediate"}})
	if err != nil {
		return nil, err
	}
	err = s.prepare(context.Background(), saved, ids)
	if err == nil {
		err = s.prepareStatements(context.Background())
	}
	if err != nil {
		s.db.Close()
		err = s.classify("opening", err)
		if made { // the next start would take what there is of it for a damaged one
			removeFiles(path)
		}
		return nil, err
	}
	return s, nil
}

// removeFiles removes a state file and what SQLite keeps beside it. What can't be
// removed the next start tells of.
func removeFiles(path string) {
	for _, suffix := range []string{"-wal", "-shm", ""} {
		os.Remove(path + suffix)
	}
}

// connect makes the Store of a file. The pragmas stand in the connection
// string so that a reconnect by database/sql has them too. journal_mode is not
// among them because it changes the file, which may be another program's.
func connect(path string, options url.Values) (*Store, error) {
	options["_busy_timeout"] = []string{"5000"} // an operator may be looking with sqlite3
	options["_synchronous"] = []string{"NORMAL"}
	options["_defensive"] = []string{"1"}
	options["_dqs"] = []string{"0"}
	options["_pragma"] = []string{
		"trusted_schema(OFF)",
		"cell_size_check(ON)",
		"cache_size(-16384)", fmt.Sprintf("wal_autocheckpoint(%d)", walPages), // see leaveRoom
		"journal_size_limit(16777216)", // the WAL grows with the largest snapshot; give that back
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	// One connection: SQLite has one writer anyway, and a pool would only turn
	// waiting into SQLITE_BUSY.
	db.SetMaxOpenConns(1)
	return &Store{db: db, path: path}, nil
}

// Path is the absolute path of the file.
func (s *Store) Path() string { return s.path }

// Empty tells whether no decision was ever saved.
func (s *Store) Empty() bool {
	s.saving.Lock()
	defer s.saving.Unlock()
	return s.newest == 0
}

// Close closes the file and gives up the lock. A file that was removed meanwhile it
// puts back.
func (s *Store) Close() error {
	again, err := s.copyGone()
	err = errors.Join(err, s.db.Close())
	if again != "" {
		err = errors.Join(err, putBack(again, s.path))
	}
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
