package journallog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/journaltest"
)

// helperEnv makes the test binary write a log and nothing else: "daemon" or
// "nobody", where nobody listens.
const helperEnv = "P2PBAN_JOURNALLOG_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperEnv) {
	case "daemon":
		os.Exit(helper())
	case "nobody":
		os.Exit(nobody())
	}
	os.Exit(m.Run())
}

// helper logs as the daemon does. Its standard error is the file that
// JOURNAL_STREAM names.
func helper() int {
	if !Wanted() {
		fmt.Fprintln(os.Stderr, "the journal is not wanted")
		return 1
	}
	var fallback bytes.Buffer
	log := slog.New(New(slog.LevelInfo, slog.NewTextHandler(&fallback, nil)))
	host := netip.MustParseAddr("192.0.2.5")
	log.Info("ban", "jail", "libp2p-flood", "host", host, "failures", 9000, "until", time.Unix(0, 0).UTC())
	log.Debug("too quiet")
	log.With("backend", "nftables").WithGroup("g").Error("it failed\nin two lines", "error", errors.New("no right"), slog.Group("deep", "odd key!", "x"))
	log.Warn(strings.Repeat("long ", 100_000))
	if fallback.Len() > 0 {
		fmt.Fprintln(os.Stderr, "not taken:", fallback.String())
		return 1
	}
	return 0
}

// nobody logs where there is no journald.
func nobody() int {
	if Wanted() {
		fmt.Fprintln(os.Stderr, "a journal is taken for granted")
		return 1
	}
	slog.New(New(slog.LevelInfo, slog.NewTextHandler(os.Stderr, nil))).With("a", 1).Info("hello", "b", 2)
	return 0
}

// startHelper runs the test binary where /run is another, and gives what it
// wrote to its standard error, which is the stream that JOURNAL_STREAM names.
func startHelper(t *testing.T, run, what string) string {
	t.Helper()
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	info, err := stderr.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	cmd := exec.Command("sh", "-c", `mount --bind "$0" /run && exec "$1"`, run, os.Args[0])
	cmd.Stderr = stderr
	cmd.Env = append(os.Environ(), helperEnv+"="+what, fmt.Sprintf("JOURNAL_STREAM=%d:%d", st.Dev, st.Ino))
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	err = cmd.Run()
	text, readErr := os.ReadFile(stderr.Name())
	if err := errors.Join(err, readErr); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return string(text)
}

// find gives the entries that have a field's value, as journalctl finds them.
func find(t *testing.T, j *journaltest.Journald, match string) []map[string]any {
	t.Helper()
	out, err := exec.Command("journalctl", "--quiet", "--all", "--directory="+j.Directory(), "--output=json", match).Output()
	if err != nil {
		t.Fatal(err)
	}
	var entries []map[string]any
	for line := range strings.Lines(string(out)) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries
}

func TestFieldsInTheJournal(t *testing.T) {
	j := journaltest.Start(t)
	startHelper(t, filepath.Dir(filepath.Dir(j.Directory())), "daemon")
	j.Sync()
	if all := find(t, j, "SYSLOG_IDENTIFIER=p2pban"); len(all) != 3 {
		t.Fatalf("%d entries, want 3: the one at debug is not written", len(all))
	}
	bans := find(t, j, "P2PBAN_HOST=192.0.2.5")
	if len(bans) != 1 {
		t.Fatalf("%d entries about the host, want 1", len(bans))
	}
	for field, want := range map[string]string{
		"MESSAGE":         "ban jail=libp2p-flood host=192.0.2.5 failures=9000 until=1970-01-01T00:00:00.000Z",
		"PRIORITY":        "6",
		"P2PBAN_JAIL":     "libp2p-flood",
		"P2PBAN_FAILURES": "9000",
	} {
		if bans[0][field] != want {
			t.Errorf("%s = %q, want %q", field, bans[0][field], want)
		}
	}
	errs := find(t, j, "P2PBAN_G_ERROR=no right")
	if len(errs) != 1 {
		t.Fatalf("%d entries with the error, want 1", len(errs))
	}
	for field, want := range map[string]string{
		"MESSAGE":                "it failed\nin two lines backend=nftables g.error=\"no right\" \"g.deep.odd key!\"=x",
		"PRIORITY":               "3",
		"P2PBAN_BACKEND":         "nftables",
		"P2PBAN_G_DEEP_ODD_KEY_": "x",
	} {
		if errs[0][field] != want {
			t.Errorf("%s = %q, want %q", field, errs[0][field], want)
		}
	}
	long := find(t, j, "PRIORITY=4")
	if len(long) != 1 || len(long[0]["MESSAGE"].(string)) != 500_000-1 {
		t.Errorf("%d entries at warning, want one of 499999 bytes", len(long))
	}
}

// TestFallback holds that what no journald takes is not lost, and that a
// journal is not taken for granted.
func TestFallback(t *testing.T) {
	if got := startHelper(t, t.TempDir(), "nobody"); !strings.HasSuffix(got, "msg=hello a=1 b=2\n") {
		t.Errorf("the fallback got %q", got)
	}
}
