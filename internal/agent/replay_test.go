package agent

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/jail"
)

// replayed is what a replay of files says and decides, in words.
func replayed(t *testing.T, files ...string) string {
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
	var captures []Capture
	for _, f := range files {
		c, err := OpenCapture(f, nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		captures = append(captures, c)
	}
	var b strings.Builder
	sum, err := Replay(p, jails, captures, func(d jail.Decision) error {
		fmt.Fprintf(&b, "%v %v %v %s %d %v %v\n", d.At, d.Action, d.Prefix, d.Jail, d.Failures, d.Until, d.Evidence.Rules)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%+v\n", sum)
	return b.String()
}

// A log that was cut into several files line by line, each line into any one of
// them, is judged as the log is, by several processors as by one: no two lines
// are of one time.
func TestReplayMerges(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(11, 12))
	write := func(name string, lines []string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	var lines []string
	parts := make([][]string, 3)
	for i := range 20_000 {
		at = at.Add(time.Millisecond * time.Duration(1+r.IntN(20)))
		line := fmt.Sprintf("time=%s level=INFO source=/x/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer=\"\" addr=/ip4/203.0.113.%d/tcp/%d sample_rate=100 handshake_failure=tls err=EOF\n",
			at.Format("2006-01-02T15:04:05.000Z"), 1+r.IntN(1+r.IntN(250)), 1024+i)
		switch {
		case i%5000 == 4999: // blocks without an event
			line = strings.Repeat("an ordinary line\n", 20_000)
		case i%100 == 99:
			line = "an ordinary line\n"
		}
		lines = append(lines, line)
		k := r.IntN(1 + r.IntN(len(parts)))
		if i < len(parts) { // each file tells when it begins
			k = i
		}
		parts[k] = append(parts[k], line)
	}
	whole := replayed(t, write("whole.log", lines))
	if n := strings.Count(whole, "\n"); n < 20 {
		t.Fatalf("only %d decisions:\n%s", n, whole)
	}
	runtime.GOMAXPROCS(4)
	if got := replayed(t, filepath.Join(dir, "whole.log")); got != whole {
		t.Fatalf("by four processors:\n%s\nby one:\n%s", got, whole)
	}
	for range 3 {
		var files []string
		for i, part := range parts {
			files = append(files, write(fmt.Sprintf("part%d.log", i), part))
		}
		r.Shuffle(len(files), func(i, k int) { files[i], files[k] = files[k], files[i] })
		if got := replayed(t, files...); got != whole {
			t.Fatalf("in parts:\n%s\nas a whole:\n%s", got, whole)
		}
	}
}
