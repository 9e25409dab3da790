package state

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/jail"
)

// childVariable names the state file for the child of TestKill.
const childVariable = "P2PBAN_TEST_STATE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		if err := writeUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// writeUntilKilled saves numbered bans and checkpoints and says each number
// once it is saved.
func writeUntilKilled(path string) error {
	s, saved, err := Open(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for n := len(saved.Bans); ; n++ {
		if err := s.SaveDecisions(context.Background(), []jail.Decision{ban(n)}); err != nil {
			return err
		}
		fmt.Fprintf(out, "ban %d\n", n)
		if n%7 == 0 {
			c := Checkpoint{Clock: epoch, Cursors: map[string]string{"n": strconv.Itoa(n)}, Snapshot: []byte(strings.Repeat(strconv.Itoa(n)+" ", 300_000))}
			if err := s.Checkpoint(context.Background(), c); err != nil {
				return err
			}
			fmt.Fprintf(out, "checkpoint %d\n", n)
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// TestKill kills a writer at arbitrary moments: whatever it had said to be
// saved is there, and every checkpoint is whole.
func TestKill(t *testing.T) {
	rounds := 12
	if raceEnabled || testing.Short() {
		rounds = 4
	}
	path := statePath(t)
	for round := range rounds {
		lastBan, lastCheckpoint := killAfter(t, path, 20+round*17)
		s, saved, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		have := map[netip.Prefix]bool{}
		for _, b := range saved.Bans {
			have[b.Prefix] = true
		}
		for n := range lastBan + 1 {
			if p := ban(n).Prefix; !have[p] {
				t.Fatalf("round %d: ban %d of %d acknowledged is lost", round, n, lastBan)
			}
		}
		n, err := strconv.Atoi(saved.Checkpoint.Cursors["n"])
		if err != nil || n < lastCheckpoint {
			t.Fatalf("round %d: checkpoint %d (%v), but %d was acknowledged", round, n, err, lastCheckpoint)
		}
		if want := strings.Repeat(strconv.Itoa(n)+" ", 300_000); string(saved.Checkpoint.Snapshot) != want {
			t.Fatalf("round %d: the snapshot of checkpoint %d is not its own", round, n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter runs a writer and kills it some lines after it began, while it
// writes on. It gives the last numbers it said.
func killAfter(t *testing.T, path string, lines int) (lastBan, lastCheckpoint int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer overdue.Stop()
	read := 0
	for scanner := bufio.NewScanner(out); scanner.Scan(); read++ {
		word, number, _ := strings.Cut(scanner.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("the writer said %q", scanner.Text())
		}
		if word == "ban" {
			lastBan = n
		} else {
			lastCheckpoint = n
		}
		if read == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		} // and read on: what it said before it died counts too
	}
	if err := cmd.Wait(); err == nil || read < lines {
		t.Fatalf("the writer ended by itself after %d lines: %v", read, err)
	}
	return lastBan, lastCheckpoint
}
