package control

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Group may use the socket, where it exists.
const Group = "p2pban"

// ErrRunning says that another daemon answers on the socket.
var ErrRunning = errors.New("another p2pban is running")

// Listen opens the control socket. It replaces a socket that nobody answers on
// and refuses (ErrRunning) one that somebody does; anything else that stands
// at the path is left alone. A socket that is deleted while it is listened on is
// made anew, which log is told.
func Listen(path string, log *slog.Logger) (net.Listener, error) {
	l, err := ListenUnix(path, log)
	if err != nil {
		return nil, fmt.Errorf("the control socket ([daemon] socket): %w%s", err, listenHint(err))
	}
	return l, nil
}

// listenHint says, on a line of its own, what to do about a socket that can't be
// opened.
func listenHint(err error) string {
	switch {
	case errors.Is(err, ErrRunning):
		return "\n`p2pban status` and `systemctl status p2pban` show it; a second one needs a socket and a state file of its own ([daemon] socket, state)"
	case errors.Is(err, fs.ErrPermission):
		return "\nrun the daemon as root, or with `systemctl start p2pban`; `p2pban dry-run` shows without any rights whom it would ban"
	}
	return ""
}

// ListenUnix is Listen for any socket that root and Group may use.
func ListenUnix(path string, log *slog.Logger) (net.Listener, error) {
	l, err := newStanding(path, log)
	if err != nil {
		return nil, err // not l, which would be no nil in the interface
	}
	return l, nil
}

// bind makes a socket; its file is never removed by closing it.
func bind(path string) (*net.UnixListener, os.FileInfo, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, nil, err
	}
	alone, err := lockPlace(path)
	if err != nil {
		return nil, nil, err
	}
	defer alone.Close()
	if err := removeDead(path); err != nil {
		return nil, nil, err
	}
	// Between bind and chmod the socket would be open to whatever the umask
	// allows, so nobody but us may pass until its mode is set.
	old := syscall.Umask(0o177)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	syscall.Umask(old)
	if err != nil {
		return nil, nil, err
	}
	err = openToGroup(path)
	file, missing := os.Lstat(path)
	if err = errors.Join(err, missing); err != nil {
		l.Close()
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false)
	return l, file, nil
}

// lockPlace lets one process at a time make the socket at path, until what it
// gives is closed: of two that find a dead socket at once, the second would remove
// the one that the first has made. The file stays behind: unlinking it would let
// two processes lock two of them. A link is not followed, for the directory may
// be a user's with fewer rights.
func lockPlace(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
	}
}

// removeDead removes a socket left by a daemon that is gone.
func removeDead(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way and is no socket: move it, or set another path", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("%w on %s", ErrRunning, path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("asking who is on %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("removing a dead socket: %w", err)
	}
	return nil
}

// openToGroup gives the socket mode 0660, and to Group where there is such a one.
func openToGroup(path string) error {
	if g, err := user.LookupGroup(Group); err == nil {
		gid, err := strconv.Atoi(g.Gid)
		if err != nil {
			return fmt.Errorf("group %s has the odd id %q", Group, g.Gid)
		}
		if err := os.Chown(path, -1, gid); err != nil && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("giving %s to group %s: %w", path, Group, err)
		}
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return fmt.Errorf("setting the mode of %s: %w", path, err)
	}
	return nil
}
