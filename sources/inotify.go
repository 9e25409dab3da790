package sources

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// notifier tells which directories and followed files have changed (inotify(7)).
// It says that something happened, not what: whoever hears it looks.
type notifier struct {
	f *os.File

	mu    sync.Mutex
	dirs  map[string]int32
	files map[int32]*generation
}

// dirMask has no IN_MODIFY: a busy neighbour in /var/log must not wake us.
const dirMask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE |
	unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// newNotifier takes one inotify instance. The kernel bounds it: it holds one
// watch for each directory and each followed file.
func newNotifier() (*notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w (see fs.inotify.max_user_instances)", err)
	}
	return &notifier{
		f:     os.NewFile(uintptr(fd), "inotify"),
		dirs:  map[string]int32{},
		files: map[int32]*generation{},
	}, nil
}

// close ends a wait in progress.
func (n *notifier) close() { n.f.Close() }

// watchDir watches a directory for names that come, go or change their rights.
func (n *notifier) watchDir(dir string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	wd, err := n.add(dir, dirMask) // the same watch again if it is the same directory
	if err != nil {
		return err
	}
	if old, ok := n.dirs[dir]; ok && old != wd {
		n.remove(old)
	}
	n.dirs[dir] = wd
	return nil
}

// watchFile watches the very file g has open, whatever its name becomes.
func (n *notifier) watchFile(g *generation) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	wd, err := n.add(fmt.Sprintf("/proc/self/fd/%d", g.fd), unix.IN_MODIFY)
	if err == nil {
		n.files[wd] = g
	}
	return err
}

func (n *notifier) add(path string, mask uint32) (wd int32, err error) {
	raw, err := n.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var addErr error
	err = raw.Control(func(fd uintptr) {
		var w int
		w, addErr = unix.InotifyAddWatch(int(fd), path, mask)
		wd = int32(w)
	})
	if err == nil {
		err = addErr
	}
	if err == unix.ENOSPC {
		err = fmt.Errorf("inotify: no watch left (see fs.inotify.max_user_watches)")
	}
	return wd, err
}

// forget ends the watch of a file that is about to be closed.
func (n *notifier) forget(g *generation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for wd, other := range n.files {
		if other != g {
			continue
		}
		delete(n.files, wd)
		n.remove(wd)
	}
}

// wait blocks until something changed or the deadline passes. Changed files are
// marked dirty; names says that a directory changed, or that the kernel lost
// count and everything must be looked at.
func (n *notifier) wait(buf []byte, deadline time.Time) (names, files bool, err error) {
	if err := n.f.SetReadDeadline(deadline); err != nil {
		return false, false, err
	}
	got, err := n.f.Read(buf)
	if os.IsTimeout(err) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for b := buf[:got]; len(b) >= unix.SizeofInotifyEvent; {
		// struct inotify_event: wd int32, mask, cookie, len uint32, name [len]byte
		wd := int32(binary.NativeEndian.Uint32(b))
		mask := binary.NativeEndian.Uint32(b[4:])
		b = b[unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(b[12:])):]
		if g := n.files[wd]; g != nil && mask&unix.IN_MODIFY != 0 {
			g.dirty.Store(true)
			files = true
			continue
		}
		if mask&unix.IN_Q_OVERFLOW != 0 {
			for _, g := range n.files {
				g.dirty.Store(true)
			}
			files = true
		}
		if mask&(unix.IN_IGNORED|unix.IN_MOVE_SELF) != 0 {
			n.dropped(wd)
		}
		names = true
	}
	return names, files, nil
}

// dropped forgets a watch on a directory that is gone or no longer the one at
// that path.
func (n *notifier) dropped(wd int32) {
	for dir, other := range n.dirs {
		if other == wd {
			delete(n.dirs, dir)
			n.remove(wd)
		}
	}
}

// remove fails only when the kernel has ended the watch already.
func (n *notifier) remove(wd int32) {
	if raw, err := n.f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(wd)) })
	}
}
