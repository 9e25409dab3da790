package state

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/p2pban/p2pban/jail"
)

// smallDisk is set for a test that runs again, with a disk of 1 MiB at that path.
const smallDisk = "P2PBAN_TEST_SMALL_DISK"

// onSmallDisk runs the test again in a mount namespace of its own, in which there is
// a disk of 1 MiB, and gives the path of that the second time.
func onSmallDisk(t *testing.T) (dir string, again bool) {
	t.Helper()
	if dir := os.Getenv(smallDisk); dir != "" {
		return dir, true
	}
	const script = `mount -t tmpfs -o size=1m none "$` + smallDisk + `" && exec "$0" -test.run "^$1\$"`
	c := exec.Command("sh", "-c", script, os.Args[0], t.Name())
	c.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := c.CombinedOutput()
	if errors.Is(err, syscall.EPERM) && os.Getenv("CI") != "true" {
		t.Skip("needs root, or user namespaces that are allowed")
	}
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Fatalf("on a disk of 1 MiB: %v\n%s", err, out)
	}
	return "", false
}

// TestOpenOnAFullDisk begins on a disk that has no room, or not enough for all that SQLite
// makes: it says that, and not only "disk I/O error (4874)"; and what it leaves
// behind is not taken for a damaged file when there is room.
func TestOpenOnAFullDisk(t *testing.T) {
	dir, again := onSmallDisk(t)
	if !again {
		return
	}
	path := filepath.Join(dir, "state.db")
	for kib := range 80 {
		t.Run(fmt.Sprintf("%d KiB", kib), func(t *testing.T) {
			fill := filepath.Join(dir, "fill")
			if err := os.WriteFile(fill, make([]byte, (1024-kib)<<10), 0o600); err != nil && !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			s, _, err := Open(path)
			switch {
			case err == nil:
				s.Close()
			case !errors.Is(err, syscall.ENOSPC):
				t.Errorf("it fails with %q, not for want of room", err)
			}
			if err := os.Remove(fill); err != nil {
				t.Fatal(err)
			}
			s, _, err = Open(path)
			if err != nil {
				t.Fatalf("with room again: %v", err)
			}
			s.Close()
			for _, suffix := range []string{"", ".lock", "-wal", "-shm"} {
				os.Remove(path + suffix)
			}
		})
	}
}

// TestSmallDisk saves much, of which little is to be kept, on a disk that is smaller
// than what SQLite would keep beside it.
func TestSmallDisk(t *testing.T) {
	dir, again := onSmallDisk(t)
	if !again {
		return
	}
	path := filepath.Join(dir, "state.db")
	s := open(t, path)
	c := Checkpoint{Clock: epoch, Cursors: map[string]string{"kubo": "s=1"}, Snapshot: make([]byte, 50<<10)}
	for n := range 300 {
		if err := s.SaveDecisions(t.Context(), []jail.Decision{ban(n % 10)}); err != nil {
			t.Fatalf("save %d: %v", n, err)
		}
		if n%3 == 0 {
			if err := s.Checkpoint(t.Context(), c); err != nil {
				t.Fatalf("checkpoint %d: %v", n, err)
			}
		}
	}
	if n := len(loadAll(t, s).Bans); n != 10 {
		t.Errorf("%d bans in force, want 10", n)
	}
}
