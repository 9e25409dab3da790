package sources

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/journaltest"
)

// A journalctl that dies is started again where it stood.
func TestJournalctlDies(t *testing.T) {
	t.Parallel()
	j := journaltest.Start(t)
	node := j.Stream("node.service", "node")
	opened := make(chan *journalctl, 10)
	f := followJournal(t, JournalOptions{Units: []string{"node"}, Directory: j.Directory()}, func(dir string, terms [][]string) (journalReader, error) {
		r, err := openJournalctl(dir, terms)
		opened <- r.(*journalctl)
		return r, err
	})
	<-opened // NewJournal only looks
	write(t, node, "one\n")
	f.want("one")
	must(t, (<-opened).cmd.Process.Kill())
	f.next() // says where reading goes on
	write(t, node, "two\n")
	f.want("two")
	waitFor(t, "the problem is over", func() bool { return len(f.src.Stats().Problems) == 0 })
}

// noLibsystemd runs the calling test again where there is no libsystemd. In that
// run it returns true.
func noLibsystemd(t *testing.T) bool {
	t.Helper()
	const marker = "P2PBAN_TEST_NO_LIBSYSTEMD"
	if os.Getenv(marker) != "" {
		return true
	}
	const script = `for f in /lib/*/libsystemd*.so* /usr/lib/*/libsystemd*.so* /lib64/libsystemd*.so*; do
		[ ! -e "$f" ] || mount --bind /dev/null "$f" || exit 1; done; exec "$@"`
	cmd := exec.Command("sh", "-c", script, "sh", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), marker+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("without libsystemd: %v\n%s", err, out)
	}
	return false
}

func TestJournalWithoutLibsystemd(t *testing.T) {
	if reflect.ValueOf(openJournal).Pointer() == reflect.ValueOf(openJournalctl).Pointer() {
		return // built without cgo: there is nothing to be missed, see TestJournalRefuses
	}
	if !noLibsystemd(t) {
		return
	}
	_, err := NewJournal(JournalOptions{Units: []string{"node"}, Directory: t.TempDir()})
	if !errors.Is(err, ErrNoJournal) || !strings.Contains(err.Error(), "apt install libsystemd0") {
		t.Errorf("got %v", err)
	}
}

// The drop-in that is shipped keeps what the default limit throws away.
func TestJournalRateLimitDropIn(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../packaging/journald/50-p2pban.conf")
	must(t, err)
	_, shipped, ok := strings.Cut(string(text), "\n[Journal]\n")
	if !ok {
		t.Fatal("no section [Journal]")
	}
	const flood = 80_000 // more than the default of 10,000 and what space makes of it
	kept := func(quiet time.Duration, settings ...string) int {
		j := journaltest.Start(t, settings...)
		node := j.Stream("node.service", "node")
		f := followJournal(t, JournalOptions{Units: []string{"node"}, Directory: j.Directory()}, openJournal)
		lines, _ := numbered(0, flood)
		write(t, node, lines)
		must(t, node.Close())
		n := 0
		for last := ""; ; {
			select {
			case b := <-f.out:
				n += len(b.Lines)
				last = b.Lines[len(b.Lines)-1].Text
			case <-time.After(quiet): // the rest was thrown away
				return n
			}
			if strings.HasSuffix(last, fmt.Sprint(flood-1)) {
				return n
			}
		}
	}
	if n := kept(patience, strings.Split(shipped, "\n")...); n != flood {
		t.Errorf("with the drop-in journald kept %d of %d lines", n, flood)
	}
	if n := kept(2*time.Second, "RateLimitIntervalSec=30s", "RateLimitBurst=10000"); n == flood {
		t.Error("the default limit keeps everything: this test shows nothing")
	}
}

func TestCheckUnit(t *testing.T) {
	dir := t.TempDir()
	journaltest.WriteFile(t, dir, "a", []journaltest.Entry{
		{Time: time.Unix(1, 0), Fields: []string{"_SYSTEMD_UNIT=ipfs.service", "MESSAGE=m"}},
		{Time: time.Unix(2, 0), Fields: []string{"_SYSTEMD_UNIT=cron.service", "MESSAGE=m"}},
		{Time: time.Unix(3, 0), Fields: []string{"_SYSTEMD_UNIT=user@1000.service", "_SYSTEMD_USER_UNIT=kubo.service", "_UID=1000", "MESSAGE=m"}},
	})
	for name, open := range journalReaders() {
		t.Run(name, func(t *testing.T) {
			must(t, checkUnit(t.Context(), "ipfs", dir, open))
			err := checkUnit(t.Context(), "ipfsd.service", dir, open)
			var unknown *UnknownUnitError
			if !errors.As(err, &unknown) || !slices.Equal(unknown.Similar, []string{"ipfs.service"}) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "userunit") {
				t.Errorf("no user has a unit of that name: %v", err)
			}
			if err := checkUnit(t.Context(), "kubo", dir, open); err == nil || !strings.Contains(err.Error(), `userunit = "kubo.service"`) {
				t.Errorf("got %v, want the name of the setting for a user's unit", err)
			}
		})
	}
}

// A unit that nobody knows is waited for, and told: its name may be mistyped.
func TestJournalUnknownUnit(t *testing.T) {
	t.Parallel()
	eachReader(t, func(t *testing.T, start func(JournalOptions) *journalFollower) {
		j := journaltest.Start(t)
		write(t, j.Stream("node.service", "node"), "line\n")
		j.Wait("node.service", 1)
		f := start(JournalOptions{Units: []string{"nodes.service"}, Directory: j.Directory()})
		if p := f.src.Stats().Problems; len(p) != 1 || !strings.Contains(p[0], "nodes.service") {
			t.Errorf("problems: %q", p)
		}
		write(t, j.Stream("nodes.service", "node"), "one\n")
		f.want("one")
		if p := f.src.Stats().Problems; len(p) > 0 {
			t.Errorf("problems after its first line: %q", p)
		}
	})
}

func TestJournalRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, o := range map[string]JournalOptions{
		"nothing":   {Directory: dir},
		"match":     {Matches: []string{"node"}, Directory: dir},
		"cursor":    {Units: []string{"node"}, Cursor: "s=1", Directory: dir},
		"directory": {Units: []string{"node"}, Directory: filepath.Join(dir, "none")},
	} {
		if _, err := NewJournal(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewJournal(JournalOptions{Units: []string{"n"}, Directory: filepath.Join(dir, "none")}); !errors.Is(err, ErrNoJournal) {
		t.Errorf("no journal: %v", err)
	}
	t.Setenv("PATH", dir)
	if _, err := openJournalctl("", nil); !errors.Is(err, ErrNoJournal) {
		t.Errorf("no journalctl: %v", err)
	}
}
