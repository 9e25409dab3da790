package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// DamagedError says that the state file can't be read.
type DamagedError struct {
	Path string
	// Foreign says that the file is whole but another program's database:
	// it is never set aside.
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

// classify adds what was being done, and turns SQLite's codes for a broken
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
		primary := sq.Code() & 0xff
		if primary == sqlite3.SQLITE_CORRUPT || primary == sqlite3.SQLITE_NOTADB ||
			sq.Code() == sqlite3.SQLITE_IOERR_SHORT_READ { // the file ends within a page
			return &DamagedError{Path: s.path, Err: err}
		}
		noRoom := primary == sqlite3.SQLITE_FULL || primary == sqlite3.SQLITE_IOERR && full(filepath.Dir(s.path))
		if noRoom && !errors.Is(err, syscall.ENOSPC) {
			// SQLite's words for it are "disk I/O error (4874)" and the like.
			err = fmt.Errorf("%w (%w)", syscall.ENOSPC, err)
		}
	}
	return fmt.Errorf("state: %s %s: %w", doing, s.path, err)
}

// asideMark stands between the path of a file that was set aside and the time.
const asideMark = ".damaged-"

// maxAside bounds the damaged files that are kept: a disk that fails damages one at
// every start, each as large as the state.
const maxAside = 8

// LastAside is the damaged file that was set aside last and lies there still; empty
// if there is none.
func (s *Store) LastAside() (aside string) {
	if all := allAside(s.path); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// allAside are the damaged files that lie beside the state file, the oldest first.
func allAside(path string) (all []string) {
	there, _ := os.ReadDir(filepath.Dir(path)) // sorted by name, hence by time
	for _, f := range there {
		name := f.Name()
		if strings.HasPrefix(name, filepath.Base(path)+asideMark) && !strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, "-shm") {
			all = append(all, filepath.Join(filepath.Dir(path), name))
		}
	}
	return all
}

// markSuffix is the end of the name of the mark, see markAside.
const markSuffix = ".aside"

// markAside notes, in a file beside the state file, under which name a damaged one is
// kept; the first checkpoint removes it. Until then what was lost has not been made
// good. Damaged files that lie there tell nothing of this: they stay until somebody
// has looked at them, and he may delete the state file, too, to begin anew.
func markAside(path, aside string) error {
	if err := os.Remove(path + markSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state: %w", err)
	}
	f, err := os.OpenFile(path+markSuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // follows no link
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	_, err = f.WriteString(filepath.Base(aside) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

// maxMark bounds what is read of a mark, in bytes: a file's name and a newline.
const maxMark = unix.NAME_MAX + 1

// markedAside is the database that markAside noted, empty if none. As with the lock, a
// link is not followed, nor is a pipe waited for.
func markedAside(path string) (aside string, err error) {
	f, err := os.OpenFile(path+markSuffix, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case errors.Is(err, unix.ELOOP):
		return "", fmt.Errorf("state: %s is a symbolic link, and not followed: %w", path+markSuffix, err)
	case err != nil:
		return "", fmt.Errorf("state: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("state: %s is not a regular file, and nothing that p2pban made: remove it", f.Name())
	}
	b, err := io.ReadAll(io.LimitReader(f, maxMark))
	if err != nil {
		return "", fmt.Errorf("state: %w", err)
	}
	return filepath.Join(filepath.Dir(path), filepath.Base(strings.TrimSpace(string(b)))), nil
}

// setAside renames the database and its companions; the caller holds the lock.
func setAside(path string) (string, error) {
	aside := path + asideMark + time.Now().UTC().Format("20060102T150405Z")
	for n, base := 2, aside; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s-%d", base, n)
	}
	if err := markAside(path, aside); err != nil {
		return "", err
	}
	// The database goes last: were we killed in between, a left-over WAL would
	// be played into the fresh file.
	for _, suffix := range []string{"-wal", "-shm", ""} {
		err := os.Rename(path+suffix, aside+suffix)
		if err != nil && !(suffix != "" && errors.Is(err, fs.ErrNotExist)) {
			return "", fmt.Errorf("state: setting the damaged file aside: %w", err)
		}
	}
	all := allAside(path)
	for _, oldest := range all[:max(0, len(all)-maxAside)] {
		removeFiles(oldest)
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
