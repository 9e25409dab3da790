package agent

import (
	"path/filepath"

	"github.com/p2pban/p2pban/sources"
)

// shared warns of the files that a source reads which one before it reads as well.
func (c *checker) shared() {
	readBy := map[string]string{} // the source that reads a file first
	for _, s := range c.cfg.Sources {
		told := map[string]bool{}
		for _, path := range realPaths(s.Files) {
			first, known := readBy[path]
			switch {
			case !known:
				readBy[path] = s.Name
			case first != s.Name && !told[first]:
				told[first] = true
				c.add(Warning, "source "+s.Name, "source "+first+" reads "+path+" too: every line of it counts twice, and hosts are banned at half of maxretry", "name each log in one source only")
			}
		}
	}
}

// realPaths are the files that patterns lead to now.
func realPaths(patterns []string) (paths []string) {
	for _, pattern := range patterns {
		found, _ := sources.FindFiles(pattern) // what can't be seen is told of by files
		for _, path := range found {
			if real, err := filepath.EvalSymlinks(path); err == nil {
				paths = append(paths, real)
			}
		}
	}
	return paths
}
