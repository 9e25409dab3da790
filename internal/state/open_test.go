package state

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestOneOwner(t *testing.T) {
	path := statePath(t)
	s := open(t, path)
	save(t, s, ban(1))
	_, _, err := Open(path)
	var locked *LockedError
	if !errors.Is(err, ErrLocked) || !errors.As(err, &locked) || locked.Holder != fmt.Sprintf("pid %d", os.Getpid()) {
		t.Errorf("%v: want ErrLocked that names pid %d", err, os.Getpid())
	}
	if _, _, aside, err := OpenOrSetAside(path); !errors.Is(err, ErrLocked) || aside != "" {
		t.Errorf("OpenOrSetAside: %q, %v; want ErrLocked and nothing moved", aside, err)
	}
	save(t, s, ban(2)) // the owner is undisturbed
	s.Close()
	if n := len(loadAll(t, open(t, path)).Bans); n != 2 {
		t.Errorf("%d bans after the lock was given up, want 2", n)
	}
}

// TestLockFollowsNoLink holds that whoever may write beside the state file does not
// have another file cut off.
func TestLockFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	path, precious := filepath.Join(dir, "state.db"), filepath.Join(dir, "precious")
	if err := errors.Join(os.WriteFile(precious, []byte("precious"), 0o600), os.Symlink(precious, path+".lock")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(path); err == nil || !strings.Contains(err.Error(), path+".lock is a symbolic link") {
		t.Errorf("%v, want an error that names the link", err)
	}
	if b, err := os.ReadFile(precious); err != nil || string(b) != "precious" {
		t.Errorf("what the link leads to holds %q, %v", b, err)
	}
}

func TestNewerSchema(t *testing.T) {
	path := statePath(t)
	s := open(t, path)
	if _, err := s.db.Exec(`PRAGMA user_version = 6`); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, _, aside, err := OpenOrSetAside(path)
	var newer *NewerError
	if !errors.As(err, &newer) || newer.Schema != 6 || newer.Ours != schemaVersion || aside != "" {
		t.Errorf("%q, %v: want a NewerError and nothing moved", aside, err)
	}
}

// TestCheck says what Open would, and leaves no trace.
func TestCheck(t *testing.T) {
	var newer *NewerError
	var damaged *DamagedError
	for _, tt := range []struct {
		name string
		make func(t *testing.T, path string)
		want func(error) bool
	}{
		{"no file", func(*testing.T, string) {}, func(err error) bool { return err == nil }},
		{"a whole one", func(t *testing.T, path string) { open(t, path).Close() }, func(err error) bool { return err == nil }},
		{"a newer one", func(t *testing.T, path string) {
			s := open(t, path)
			if _, err := s.db.Exec(`PRAGMA user_version = 6`); err != nil {
				t.Fatal(err)
			}
			s.Close()
		}, func(err error) bool { return errors.As(err, &newer) }},
		{"a newer one that a daemon has refused", func(t *testing.T, path string) {
			s := open(t, path)
			if _, err := s.db.Exec(`PRAGMA user_version = 6`); err != nil {
				t.Fatal(err)
			}
			s.Close()
			if _, _, err := Open(path); err == nil {
				t.Fatal("opened")
			}
		}, func(err error) bool { return errors.As(err, &newer) }},
		{"a newer one whose daemon was killed", func(t *testing.T, path string) {
			s := open(t, path)
			if _, err := s.db.Exec(`PRAGMA user_version = 6; PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
				t.Fatal(err)
			}
			save(t, s, ban(1)) // in the WAL
			t.Cleanup(func() { s.Close() })
		}, func(err error) bool { return errors.As(err, &newer) && newer.Schema == 6 }},
		{"ours whose daemon was killed", func(t *testing.T, path string) {
			s := open(t, path)
			save(t, s, ban(1))
			t.Cleanup(func() { s.Close() })
		}, func(err error) bool { return err == nil }},
		{"an empty one", func(t *testing.T, path string) {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, func(err error) bool { return errors.As(err, &damaged) }},
		{"a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, func(err error) bool { return err != nil && strings.Contains(err.Error(), "not a regular file") }},
	} {
		path := filepath.Join(t.TempDir(), "state.db")
		tt.make(t, path)
		before, err := filepath.Glob(path + "*")
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(path); !tt.want(err) {
			t.Errorf("%s: %v", tt.name, err)
		}
		after, err := filepath.Glob(path + "*")
		if err != nil || !slices.Equal(before, after) {
			t.Errorf("%s: there was %q, and is %q, %v", tt.name, before, after, err)
		}
	}
}

func TestForeignDatabaseIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE cookies (x); INSERT INTO cookies VALUES (1)`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, _, aside, err := OpenOrSetAside(path)
	var damaged *DamagedError
	if !errors.As(err, &damaged) || !damaged.Foreign || aside != "" {
		t.Errorf("%q, %v: want a foreign DamagedError and nothing moved", aside, err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("another program's database was changed")
	}
}

func TestModes(t *testing.T) {
	path := statePath(t)
	s := open(t, path)
	save(t, s, ban(1))
	for name, want := range map[string]os.FileMode{
		filepath.Dir(path): 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: mode %v, want %v", name, got, want)
		}
	}
	s.Close()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: want the mode put right", info.Mode(), err)
	}
}

func TestPathsThatAreNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, _, _, err := OpenOrSetAside(dir); err == nil {
		t.Error("a directory was taken for a state file")
	}
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(filepath.Join(file, "state.db")); err == nil {
		t.Error("a file was taken for a directory")
	}
	// What has a meaning in the URI of a database is an ordinary name here.
	odd := filepath.Join(dir, "a?mode=memory&x=%41#b", "state.db")
	save(t, open(t, odd), ban(1))
	if _, err := os.Stat(odd); err != nil {
		t.Error(err)
	}
}
