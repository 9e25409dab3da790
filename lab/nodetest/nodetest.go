// Package nodetest starts nodes whose logs tests read.
package nodetest

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// mostLines is more lines than any test has a node log.
const mostLines = 100_000

// Start starts a node, which ends with the test. Its first line of stdout is decoded
// into hello as JSON; lines are those of stderr, and closed at its end.
func Start(t *testing.T, cmd *exec.Cmd, hello any) (lines <-chan string) {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log, done := make(chan string, mostLines), make(chan struct{})
	go func() {
		defer close(done)
		defer close(log)
		for s := bufio.NewReader(stderr); ; {
			line, err := s.ReadString('\n')
			if err != nil {
				return
			}
			log <- strings.TrimSuffix(line, "\n")
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-done
		cmd.Wait()
	})
	if err := json.NewDecoder(stdout).Decode(hello); err != nil {
		t.Fatalf("what %s says first: %v", cmd.Path, err)
	}
	return log
}
