package journaltest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Entry is one journal entry: FIELD=value each.
type Entry struct {
	Time   time.Time
	Fields []string
}

// WriteFile has systemd-journal-remote write the entries to dir/name.journal.
// The test is skipped where there is none, and fails instead when CI=true.
func WriteFile(t testing.TB, dir, name string, entries []Entry) {
	t.Helper()
	need(t, remotePath, "systemd-journal-remote")
	cmd := exec.Command(remotePath, "--output="+filepath.Join(dir, name+".journal"), "-")
	cmd.Stdin = bytes.NewReader(Export(entries))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("systemd-journal-remote: %v: %s", err, out)
	}
}

// Export writes entries in the journal export format
// (systemd.io/JOURNAL_EXPORT_FORMATS).
func Export(entries []Entry) []byte {
	var b bytes.Buffer
	for i, e := range entries {
		us := e.Time.UnixMicro()
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n", us, 1000+i, machineID)
		b.Write(exportFields(e.Fields))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// exportFields writes FIELD=value lines, and those whose value has a newline
// with their length: the name, a newline, 64 bits little endian, the value.
func exportFields(fields []string) []byte {
	var b bytes.Buffer
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		if !strings.Contains(value, "\n") {
			b.WriteString(f + "\n")
			continue
		}
		b.WriteString(name + "\n")
		b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(value))))
		b.WriteString(value + "\n")
	}
	return b.Bytes()
}
