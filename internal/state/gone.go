package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Gone tells whether the path leads to another file than the open one, or to none:
// somebody removed or replaced it. What is saved then has no name.
func (s *Store) Gone() bool {
	info, err := os.Stat(s.path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, s.file)
}

// againSuffix is what a copy of a file that is gone is called until it is whole.
const againSuffix = ".again"

// copyGone writes all that is in the open file beside its path if there is none at
// that, and gives the copy's name; "" if there is no need.
func (s *Store) copyGone() (name string, err error) {
	if _, err := os.Lstat(s.path); !errors.Is(err, fs.ErrNotExist) {
		return "", nil // what stands there somebody has put there
	}
	name = s.path + againSuffix
	os.Remove(name) // left by one that was killed; what keeps it is told next
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return "", fmt.Errorf("state: putting back the file that was removed: %w", err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // SQLite would make it with 0644
	if err == nil {
		f.Close()
		_, err = s.db.ExecContext(context.Background(), `VACUUM INTO ?`, name)
	}
	if err != nil {
		os.Remove(name)
		return "", fmt.Errorf("state: putting back %s, which was removed: %w", s.path, err)
	}
	return name, nil
}

// putBack gives the copy the name of the file that was removed.
func putBack(name, path string) error {
	for _, suffix := range []string{"-wal", "-shm"} { // of the file that was
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("state: %w", err)
		}
	}
	if err := os.Rename(name, path); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}
