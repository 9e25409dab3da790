package control

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// stand serves on a socket that is looked at often.
func stand(t *testing.T, path string, log *slog.Logger) {
	t.Helper()
	l, err := newStanding(path, log)
	if err != nil {
		t.Fatal(err)
	}
	l.every = time.Millisecond
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&Server{Listener: l, Daemon: &desk{}, Log: log}).Run(t.Context())
	}()
	t.Cleanup(func() { <-ended })
}

// within waits for a condition.
func within(t *testing.T, what string, met func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestDeletedSocket deletes the socket under a daemon, once with its directory:
// it can be reached again, by the same users as before.
func TestDeletedSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p2pban")
	path := filepath.Join(dir, "p2pban.sock")
	var log lines
	stand(t, path, slog.New(slog.NewTextHandler(&log, nil)))
	for _, deleted := range []string{path, dir} {
		if err := os.RemoveAll(deleted); err != nil {
			t.Fatal(err)
		}
		within(t, "an answer after "+deleted+" was deleted", func() bool {
			st, err := NewClient(path).Status(t.Context())
			return err == nil && st.Version == "v1"
		})
		if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o660 {
			t.Errorf("the socket is %v, %v; want mode 0660", info.Mode(), err)
		}
	}
	if n := strings.Count(log.String(), "made anew"); n != 2 {
		t.Errorf("the log tells of %d sockets made anew, want 2:\n%s", n, log.String())
	}
}

// TestReplacedSocket puts something else in the place of a socket: it is left
// alone, told once, and outlives the daemon.
func TestReplacedSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p2pban.sock")
	var log lines
	l, err := newStanding(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l.look()
	l.look()
	if n := strings.Count(log.String(), "another p2pban is running"); n != 1 {
		t.Errorf("told %d times, want once:\n%s", n, log.String())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the other one's socket is gone with ours: %v", err)
	}
	conn.Close()
}
