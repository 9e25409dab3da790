package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrLocked is what errors.Is finds when another process holds the file.
var ErrLocked = errors.New("state is in use by another process")

// LockedError says who holds the state file.
type LockedError struct {
	Path string
	// Holder is what the holder wrote of itself, "pid 1234"; may be empty.
	Holder string
}

func (e *LockedError) Error() string {
	holder := e.Holder
	if holder == "" {
		holder = "another process"
	}
	return fmt.Sprintf("state: %s is in use by %s: stop that p2pban first, or give this one a state file of its own ([daemon] state)", e.Path, holder)
}

// Unwrap lets errors.Is find ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// maxHolder bounds what is read from a lock file, in bytes.
const maxHolder = 64

// takeLock locks path.lock with flock(2) and writes our pid into it. It is a
// file of its own because closing any descriptor of the database would drop
// SQLite's own locks (POSIX locks belong to the process). It stays behind
// after Close: unlinking a lock file lets two processes hold two of them. A link
// is not followed: the directory may be a user's with fewer rights than ours, and
// what the link leads to would be cut off.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("state: %s.lock is a symbolic link, and not followed: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		holder, _ := io.ReadAll(io.LimitReader(f, maxHolder)) // empty will do
		f.Close()
		return nil, &LockedError{Path: path, Holder: strings.TrimSpace(string(holder))}
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("state: locking %s: %w", f.Name(), err)
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, fmt.Errorf("state: %w", err)
	}
	if _, err := fmt.Fprintf(f, "pid %d\n", os.Getpid()); err != nil {
		f.Close()
		return nil, fmt.Errorf("state: %w", err)
	}
	return f, nil
}
