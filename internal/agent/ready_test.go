package agent

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/sources"
)

// notifySocket is where systemd would listen.
func notifySocket(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return c
}

// told is the next thing that was told on the socket; "" if there is none.
func told(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	var n int
	var read error
	err = raw.Read(func(fd uintptr) bool {
		n, read = syscall.Read(int(fd), buf)
		return true // what was told is there: nothing is to be waited for
	})
	if err != nil || read != nil && read != syscall.EAGAIN {
		t.Fatal(err, read)
	}
	return string(buf[:max(n, 0)])
}

// starting is an engine with two files to follow, at its start.
func starting(t *testing.T) *engine {
	e := newEngine(t)
	e.started, e.cursors = time.Now(), map[string]string{}
	e.requests = make(chan func())
	for _, name := range []string{"a", "b"} {
		e.sources = append(e.sources, &source{spec: config.Source{Name: name, Files: []string{name + ".log"}}, streams: map[string]*reader{}})
	}
	return e
}

// TestReady is told when every source has looked at its log and where they begin
// is in the state file, not before.
func TestReady(t *testing.T) {
	c := notifySocket(t)
	e := starting(t)
	now := e.started
	step := func(want string, what string) {
		t.Helper()
		e.becomeReady(now)
		if got := told(t, c); got != want {
			t.Fatalf("%s: told %q, want %q", what, got, want)
		}
	}
	step("", "no source has looked")
	e.batch(sources.Batch{Source: "a", Cursor: "here"})
	step("", "one has")
	e.batch(sources.Batch{Source: "b", Cursor: "there"})
	step("", "both have, and nothing is saved")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.saveCheckpoints(ctx) }()
	(<-e.requests)() // it is written
	step("READY=1", "it is saved")
	step("", "once is enough")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	e.store.Close()
	store, saved, err := state.Open(e.store.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if got := saved.Checkpoint.Cursors; got["a"] != "here" || got["b"] != "there" {
		t.Errorf("saved is %v", got)
	}
}

// TestWatchingCountsAsStatus does: a prefix that two jails ban is one in the firewall
// and two bans in the status, in systemd's and in the log.
func TestWatchingCountsAsStatus(t *testing.T) {
	e := starting(t)
	e.sources = nil
	e.started = time.Now().Add(-90 * time.Second)
	var err error
	e.jails, err = jail.New(twoStrikes, jail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	e.jails.Observe(strike(now, "192.0.2.1"))
	e.jails.Observe(strike(now, "192.0.2.1"))
	if _, err := e.jails.Ban(now, jail.ManualBan{Prefix: netip.MustParsePrefix("192.0.2.1/32"), For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	e.log = slog.New(slog.NewTextHandler(&told, nil))
	e.becomeReady(now)
	if n := len(e.listBans()); n != 1 || !strings.Contains(told.String(), "bans=2 ") {
		t.Errorf("%d prefixes; of the bans it says: %s", n, &told)
	}
	if s := e.status(); s.Bans != 2 || s.Up() < 90*time.Second || s.Up() > time.Since(e.started) {
		t.Errorf("status: %d bans, up %v", s.Bans, s.Up())
	}
	if s := e.summary(); !strings.Contains(s, "bans in force: 2,") {
		t.Errorf("systemd is told %q", s)
	}
}

// A source that can't be read holds nobody up, nor does one that takes long.
func TestReadyAllTheSame(t *testing.T) {
	c := notifySocket(t)
	e := starting(t)
	e.sources[0].set(nil, errors.New("no such journal"))
	e.becomeReady(e.started.Add(readyMax - time.Second))
	if got := told(t, c); got != "" {
		t.Errorf("told %q while source b has not looked", got)
	}
	e.becomeReady(e.started.Add(readyMax))
	if got := told(t, c); got != "READY=1" {
		t.Errorf("told %q after readyMax", got)
	}

	e = starting(t)
	e.sources[0].set(nil, errors.New("no such journal"))
	e.sources[1].spec.Files = []string{config.Stdin}
	e.becomeReady(e.started)
	if got := told(t, c); got != "READY=1" {
		t.Errorf("told %q where no source is to be waited for", got)
	}
}
