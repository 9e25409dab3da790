package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/sources"
)

// attackLog writes a log of so many handshake failures of a few hosts.
func attackLog(t *testing.T, lines, hosts int) string {
	t.Helper()
	var b strings.Builder
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for i := range lines {
		fmt.Fprintf(&b, "time=%s level=INFO source=/x/transport.go:96 msg=CANONICAL_PEER_STATUS peer=\"\" addr=/ip4/203.0.113.%d/tcp/%d sample_rate=100 handshake_failure=tls err=EOF\n",
			at.Add(time.Duration(i)*time.Millisecond).Format("2006-01-02T15:04:05.000Z"), 1+i%hosts, 1024+i%60000)
	}
	path := filepath.Join(t.TempDir(), "node.log")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func replayOf(t *testing.T, captures []Capture, emit func(jail.Decision) error) error {
	t.Helper()
	cfg := config.Default()
	p, err := NewParser(cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	jails, err := jail.New(cfg.Jails, jail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Replay(p, jails, captures, emit)
	return err
}

// A log that is truncated while it is judged ends the replay with an error that
// says so, on one processor and on several, alone and beside another.
func TestReplayOfATruncatedLog(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range [...]int{1, 4} {
		for _, beside := range [...]bool{false, true} {
			runtime.GOMAXPROCS(procs)
			path := attackLog(t, 100_000, 200)
			files := []string{path}
			if beside {
				files = append(files, attackLog(t, 100_000, 200))
			}
			var captures []Capture
			for _, f := range files {
				c, err := OpenCapture(f, nil, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				captures = append(captures, c)
			}
			err := replayOf(t, captures, func(jail.Decision) error { return os.Truncate(path, 3000) })
			if err == nil || !strings.HasPrefix(err.Error(), "reading "+path+": it was truncated") {
				t.Errorf("%d processors, beside another %v: %v", procs, beside, err)
			}
		}
	}
}

// The judge, too, may be the one who looks at what is gone (a ban keeps the line
// that decided it): the log is truncated
// when all its lines are parsed, and judged only after that.
func TestReplayWhenTheJudgeFaults(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	path := attackLog(t, 400, 20)
	gone := make(chan struct{})
	first, err := OpenCapture(path, nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	blocks := first.Blocks
	first.Blocks = func(yield func(sources.Block, error) bool) {
		n := 0
		for b, err := range blocks {
			if n++; n == 2 {
				if err := os.Truncate(path, 0); err != nil {
					t.Error(err)
				}
				close(gone)
			}
			if !yield(b, err) {
				return
			}
		}
	}
	second := Capture{Name: "other", Blocks: func(yield func(sources.Block, error) bool) {
		<-gone
		yield(sources.Block{Text: "an ordinary line\n"}, nil)
	}}
	err = replayOf(t, []Capture{first, second}, func(jail.Decision) error { return nil })
	if err == nil || !strings.HasPrefix(err.Error(), "reading "+path+": it was truncated") {
		t.Errorf("%v", err)
	}
}

// A fault that no file explains is told too; any other panic is none.
func TestFaultErrorWithoutAShorterFile(t *testing.T) {
	c, err := OpenCapture(attackLog(t, 10, 200), nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := faultError([]Capture{c}); !strings.Contains(err.Error(), c.Name) || !strings.Contains(err.Error(), "the disk gives errors") {
		t.Errorf("%v", err)
	}
	for _, other := range [...]any{nil, "a text", fmt.Errorf("an error"), nilFault()} {
		if isFault(other) {
			t.Errorf("%v is taken for a fault", other)
		}
	}
}

// nilFault is the panic of who follows a nil pointer.
func nilFault() (panicked any) {
	defer func() { panicked = recover() }()
	var c *Capture
	return c.Name
}
