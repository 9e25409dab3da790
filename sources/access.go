package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// explainOpen adds to a failure to open path what an operator needs to mend
// it: who owns what is in the way, its mode, and who we are.
func explainOpen(path string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	at, need := obstacle(path)
	info, statErr := os.Stat(at)
	if statErr != nil {
		return err
	}
	uid, gid := owner(info)
	return fmt.Errorf("%w: %s is %s %s:%s and this process runs as %s; give it the group %s and that group the right to %s (or run as root)",
		err, at, info.Mode(), userName(uid), groupName(gid), userName(uint32(os.Geteuid())), groupName(gid), need)
}

// obstacle returns the first directory on the way to path that may not be
// searched, or path itself, and the right that is missing there.
func obstacle(path string) (at, need string) {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	var dirs []string
	for d := filepath.Dir(path); ; d = filepath.Dir(d) {
		dirs = append(dirs, d)
		if d == filepath.Dir(d) {
			break
		}
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		if unix.Access(dirs[i], unix.X_OK) != nil {
			return dirs[i], "enter it (x)"
		}
	}
	return path, "read it (r)"
}

func owner(info fs.FileInfo) (uid, gid uint32) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Uid, st.Gid
	}
	return 0, 0
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
