package sources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
)

// FileOptions say which files a File follows, and from where.
type FileOptions struct {
	// Name is the name of the source, for Batch.Source.
	Name string
	// Patterns are paths or globs as in path/filepath.Match. A plain path that
	// does not exist is waited for; a glob is looked at again whenever its
	// directory changes.
	Patterns []string
	// Cursor resumes after the batch that carried it; empty to begin anew.
	Cursor string
	// FromStart reads the files that exist when Run begins from their first
	// line; otherwise only what is written from then on. With a Cursor it has
	// no effect. Files that appear later are always read from their first line.
	FromStart bool
	// Log is told about rotations and lost positions; nil for silence.
	Log *slog.Logger
}

// File follows files through their rotations.
type File struct {
	meter
	opts FileOptions
}

var (
	_ Source   = (*File)(nil)
	_ Reporter = (*File)(nil)
)

// NewFile checks that what exists of the files can be read and returns a source
// that follows them. It starts nothing.
func NewFile(o FileOptions) (*File, error) {
	if len(o.Patterns) == 0 {
		return nil, errors.New("no file named")
	}
	for _, p := range o.Patterns {
		if _, err := filepath.Match(p, ""); err != nil {
			return nil, fmt.Errorf("file pattern %q: %w", p, err)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &File{opts: o, meter: meter{s: Stats{Lag: -1}}}, nil
}

// String is "file " and the patterns.
func (f *File) String() string { return "file " + joinNames(f.opts.Patterns) }

// Run follows the files until ctx ends.
func (f *File) Run(ctx context.Context, out chan<- Batch) error {
	return errors.New("following files is not built yet")
}
