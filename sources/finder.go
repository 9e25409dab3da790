package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// finder says which files a File follows.
type finder interface {
	// find returns the paths meant now. An error is why there may be more that
	// it can't see.
	find() ([]string, error)
	// dirs returns the directories in which a change may change what is found.
	dirs() []string
	// String is the finder as it was configured.
	String() string
}

var (
	_ finder = plainPath("")
	_ finder = glob("")
	_ finder = (*containers)(nil)
)

func finderNames(finders []finder) []string {
	var names []string
	for _, fi := range finders {
		names = append(names, fi.String())
	}
	return names
}

// newPattern makes a finder of a path or a glob. A file whose very name looks
// like a glob is meant literally.
func newPattern(pattern string) (finder, error) {
	if _, err := filepath.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("file pattern %q: %w", pattern, err)
	}
	pattern = filepath.Clean(pattern)
	if _, err := os.Lstat(pattern); err == nil || !hasMeta(pattern) {
		return plainPath(pattern), nil
	}
	return glob(pattern), nil
}

func hasMeta(pattern string) bool { return strings.ContainsAny(pattern, `*?[\`) }

// checkFound fails if files are found and none of them can be read.
func checkFound(fi finder) error {
	paths, err := fi.find()
	if len(paths) == 0 && (errors.Is(err, fs.ErrPermission) || errors.Is(err, errLogDriver)) {
		return err // anything else may pass
	}
	var first error
	for _, path := range paths {
		g, err := openGeneration(path)
		if err == nil {
			g.close()
			return nil
		}
		if first == nil && !errors.Is(err, fs.ErrNotExist) {
			first = explainOpen(path, err)
		}
	}
	return first
}

// plainPath is one path.
type plainPath string

func (p plainPath) find() ([]string, error) { return []string{string(p)}, nil }
func (p plainPath) dirs() []string          { return []string{filepath.Dir(string(p))} }
func (p plainPath) String() string          { return string(p) }

// glob is a pattern as in path/filepath.Match.
type glob string

func (g glob) String() string { return string(g) }

// find leaves out what was rotated away from another match, and what is
// compressed.
func (g glob) find() ([]string, error) {
	matches, err := filepath.Glob(string(g))
	if err != nil {
		return nil, err
	}
	logs := map[string]bool{}
	for _, m := range matches {
		logs[m] = true
	}
	matches = slices.DeleteFunc(matches, func(m string) bool {
		return packedName().MatchString(m) || isRotated(m, func(log string) bool { return logs[log] })
	})
	return matches, unlistable(string(g))
}

// isRotated says whether path was rotated away from another log beside it. It asks
// isLog for the few that its name allows, and does not go through all: a node that
// never deletes what it has rotated has thousands of them.
func isRotated(path string, isLog func(path string) bool) bool {
	dir, name := filepath.Split(path)
	for base := range basesOf(name) {
		if isLog(dir + base) {
			if _, ok := rotatedFrom(base, name); ok {
				return true
			}
		}
	}
	return false
}

// unlistable returns why the directory of a glob can't be listed, for
// filepath.Glob takes such a directory for an empty one.
func unlistable(pattern string) error {
	dir := filepath.Dir(pattern)
	if hasMeta(dir) {
		return unlistable(dir)
	}
	d, err := os.Open(dir)
	if err == nil {
		return d.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return explainOpen(dir, err)
}

// dirs returns the directories of the pattern, and those whose changes make
// more of them.
func (g glob) dirs() []string {
	dir := filepath.Dir(string(g))
	if !hasMeta(dir) {
		return []string{dir}
	}
	dirs, _ := filepath.Glob(dir) // newPattern has checked the pattern
	return append(dirs, glob(dir).dirs()...)
}

// linkDirs returns the directories through which the symbolic links at path
// lead.
func linkDirs(path string) []string {
	var dirs []string
	for range maxLinks {
		target, err := os.Readlink(path)
		if err != nil {
			break // no link
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
		dirs = append(dirs, filepath.Dir(path))
	}
	return dirs
}

// maxLinks is how many symbolic links are followed, as in path_resolution(7).
const maxLinks = 40
