package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/sources"
)

// usualFiles are where nodes log when they log to files: under /var/log, or, as
// Lighthouse does, under their data.
var usualFiles = []string{
	"/var/log/syslog", "/var/log/messages",
	"/var/log/*.log", "/var/log/*/*.log",
	"/var/lib/*/logs/*.log", "/var/lib/*/*/logs/*.log",
	"/root/.lighthouse/*/*/logs/*.log", "/home/*/.lighthouse/*/*/logs/*.log",
}

// files looks at what globs match.
func (l *looker) files(ctx context.Context, globs []string) {
	ctx, cancel := context.WithTimeout(ctx, kindTime)
	defer cancel()
	for _, glob := range globs {
		l.looked(glob)
		paths, err := filepath.Glob(glob)
		if err != nil {
			l.unseen(glob, err.Error())
			continue
		}
		if dirs := barred(glob); len(dirs) > 0 {
			l.unseen(glob, "this user may not look into "+strings.Join(dirs, ", "))
		}
		for i, path := range paths {
			if ctx.Err() != nil || len(l.seen) >= maxFiles {
				l.unseen(glob, fmt.Sprintf("there was no time, or too many files: %d of %d were looked at", i, len(paths)))
				break
			}
			l.file(ctx, path, Found{Kind: KindFile, Name: path, Files: []string{literal(path)}, Program: programOf(filepath.Base(path), filepath.Dir(path))})
		}
	}
}

// maxBarred bounds the directories that are named for one glob.
const maxBarred = 5

// barred gives the directories on the way of a glob that this user may not look
// into, which filepath.Glob passes over in silence.
func barred(glob string) []string {
	var out []string
	parts := strings.Split(strings.Trim(glob, "/"), "/")
	for i, next := range parts {
		dirs, _ := filepath.Glob("/" + strings.Join(parts[:i], "/")) // filepath.Glob has taken the whole
		for _, dir := range dirs {
			_, err := os.Lstat(filepath.Join(dir, next))
			if strings.ContainsAny(next, `*?[\`) {
				var d *os.File
				if d, err = os.Open(dir); err == nil {
					d.Close()
				}
			}
			if !errors.Is(err, fs.ErrPermission) || !isDir(dir) {
				continue
			}
			if len(out) == maxBarred {
				return append(out, "…")
			}
			out = append(out, dir)
		}
	}
	return out
}

// file reads the end of one log, which f describes.
func (l *looker) file(ctx context.Context, path string, f Found) {
	if l.seen[path] {
		return
	}
	l.seen[path] = true
	if ctx.Err() != nil {
		l.unseen(path, "there was no time to look at it")
		return
	}
	e, err := l.readEnd(ctx, path)
	switch {
	case errors.Is(err, errNoLog):
	case err != nil:
		l.unseen(path, err.Error())
	case e.lines > 0:
		if why := closed(path); why != "" {
			f.Notes = append(f.Notes, why)
		}
		l.add(f, e)
	}
}

// serviceGroups are those of the packaged service (sysusers/p2pban.conf).
var serviceGroups = []string{"p2pban", "adm", "systemd-journal"}

// closed says so if the packaged service, which is not root, may not read a log that
// we can read. It is empty if the log's mode lets the service read it.
func closed(path string) string {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&0o004 != 0 {
		return ""
	}
	st := info.Sys().(*syscall.Stat_t)
	if g, err := user.LookupGroupId(strconv.FormatUint(uint64(st.Gid), 10)); err == nil && info.Mode()&0o040 != 0 && slices.Contains(serviceGroups, g.Name) {
		return ""
	}
	return fmt.Sprintf("it has the mode %s, and the service of the packages is not root: give it the example root.conf, or the group that may read the log (usermod -aG GROUP p2pban)", info.Mode())
}

// errNoLog is what is there and can be no log of a running node.
var errNoLog = errors.New("no log")

// readEnd reads the last fileBytes of a file.
func (l *looker) readEnd(ctx context.Context, path string) (*eye, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 || l.opts.Now.Sub(info.ModTime()) > recent {
		return nil, errNoLog
	}
	file, err := config.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	skipFirst := false
	if over := info.Size() - fileBytes; over > 0 {
		if _, err := file.Seek(over, io.SeekStart); err != nil {
			return nil, err
		}
		skipFirst = true
	}
	e := l.eye(info.ModTime())
	end := time.Now().Add(placeTime)
	for b, err := range sources.Read(path, io.LimitReader(file, fileBytes)) {
		if err != nil {
			return nil, err
		}
		for _, line := range b.Lines {
			if skipFirst { // it begins anywhere
				skipFirst = false
				continue
			}
			e.read(line)
		}
		if ctx.Err() != nil || time.Now().After(end) {
			l.unseen(path, fmt.Sprintf("reading its end took too long; %d lines were read", e.lines))
			break
		}
	}
	return e, nil
}

// path looks at a place that somebody named, for what it is.
func (l *looker) path(ctx context.Context, path string) {
	path, err := filepath.Abs(path)
	if err != nil {
		l.unseen(path, err.Error())
		return
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(path, "*?["):
		l.files(ctx, []string{path})
	case err != nil:
		l.unseen(path, err.Error())
	case !info.IsDir():
		l.files(ctx, []string{literal(path)})
	case matches(path, "*.journal", "*/*.journal"):
		l.journal(ctx, path)
	case isDir(filepath.Join(path, "containers")):
		l.docker(ctx, path)
	case matches(path, podFiles):
		l.pods(ctx, path)
	default:
		l.files(ctx, []string{filepath.Join(literal(path), "*")})
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// literal makes a path a glob of nothing but itself.
func literal(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func matches(dir string, globs ...string) bool {
	return slices.ContainsFunc(globs, func(g string) bool {
		found, _ := filepath.Glob(filepath.Join(literal(dir), g))
		return len(found) > 0
	})
}
