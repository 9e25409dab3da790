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
	group := groupName(gid)
	advice := "add it to the group " + group
	switch {
	case gid == 0: // nobody should be given that one
		advice = fmt.Sprintf("run as root, for which the service has the example root.conf, or give %s a group that may %s it and add it to that", at, need)
	case info.Mode()&groupRight(need) == 0:
		advice = fmt.Sprintf("let the group %s %s it and add it to that", group, need)
	}
	return fmt.Errorf("%w: %s is %s %s:%s and this process runs as %s: %s",
		err, at, info.Mode(), userName(uid), group, userName(uint32(os.Geteuid())), advice)
}

// groupRight is the mode bit that lets the group read, or enter.
func groupRight(need string) fs.FileMode {
	if need == "read" {
		return 0o040
	}
	return 0o010
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
		if unix.Faccessat(unix.AT_FDCWD, dirs[i], unix.X_OK, unix.AT_EACCESS) != nil {
			return dirs[i], "enter"
		}
	}
	return path, "read"
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
