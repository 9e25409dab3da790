package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A file that is removed under its owner is put back when he closes it, with all
// that was saved before and after that.
func TestRemovedWhileOpen(t *testing.T) {
	for name, remove := range map[string]func(path string) error{
		"all":       func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"file only": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p2pban", "state.db")
			s := open(t, path)
			save(t, s, ban(1))
			if s.Gone() {
				t.Error("it is gone before it was removed")
			}
			if err := remove(path); err != nil {
				t.Fatal(err)
			}
			save(t, s, ban(2))
			if !s.Gone() {
				t.Error("it is not gone")
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
				t.Errorf("%v, %v: want a file of mode 0600", info, err)
			}
			if n := len(loadAll(t, open(t, path)).Bans); n != 2 {
				t.Errorf("%d bans are left, want 2", n)
			}
		})
	}
}

// What somebody has put in the place of the open file stays.
func TestReplacedWhileOpen(t *testing.T) {
	path := statePath(t)
	s := open(t, path)
	save(t, s, ban(1))
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("another"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if !s.Gone() {
		t.Error("it is not gone")
	}
	s.Close()
	if b, err := os.ReadFile(path); err != nil || string(b) != "another" {
		t.Errorf("%q, %v: want what was put there", b, err)
	}
}
