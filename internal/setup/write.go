package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write puts a configuration at path, whole or not at all. An existing file is
// only replaced with force.
func Write(path, text string, force bool) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := Validate(text); err != nil {
		return fmt.Errorf("the configuration would not load, so nothing was written: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".p2pban-setup-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	// The daemon is another user, and there is nothing secret in it.
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if force {
		return os.Rename(f.Name(), path)
	}
	// A link, unlike a rename, fails where something stands already.
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists, and nothing was written\nlook at it, then use --force to replace it, or --write=OTHER", path)
	} else if err != nil {
		return err
	}
	return nil
}
