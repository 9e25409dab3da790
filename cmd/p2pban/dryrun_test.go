package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What can't be written is told once, whether decisions are written in blocks or,
// from standard input, one by one.
func TestDryRunTellsOnceThatItCantWrite(t *testing.T) {
	var log strings.Builder
	for i := range 20 { // ten handshakes that fail are a ban
		fmt.Fprintf(&log, "time=2026-11-20T12:00:%02d.000Z level=INFO source=/x/transport.go:96 msg=CANONICAL_PEER_STATUS peer=\"\" addr=/ip4/203.0.113.66/tcp/1024 sample_rate=100 handshake_failure=tls err=EOF\n", i)
	}
	path := filepath.Join(t.TempDir(), "node.log")
	if err := os.WriteFile(path, []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{path}, {"--json", path}, {"-"}, {"--json", "-"}} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		var told bytes.Buffer
		code := run(t.Context(), append([]string{"dry-run"}, args...), strings.NewReader(log.String()), full, &told)
		full.Close()
		if code != 1 || strings.Count(told.String(), "no space left on device") != 1 {
			t.Errorf("dry-run %v: exit %d, told %q", args, code, told.String())
		}
	}
}
