package journaltest

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// show returns the messages of a unit as journalctl prints them.
func show(t *testing.T, dir, unit string) []string {
	t.Helper()
	out, err := exec.Command("journalctl", "--directory="+dir, "-o", "cat", "_SYSTEMD_UNIT="+unit).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func TestJournald(t *testing.T) {
	j := Start(t)
	s, other := j.Stream("node.service", "node"), j.Stream("other.service", "other")
	fmt.Fprintf(other, "other\n")
	for i := range 3 {
		fmt.Fprintf(s, "line %d\n", i)
	}
	j.Wait("node.service", 3)
	j.Rotate()
	fmt.Fprintf(s, "line 3\n")
	j.Wait("node.service", 4)
	got := show(t, j.Directory(), "node.service")
	if want := "line 0,line 1,line 2,line 3"; strings.Join(got, ",") != want {
		t.Errorf("journal holds %q", got)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	WriteFile(t, dir, "a", []Entry{
		{time.Unix(1, 0), []string{"_SYSTEMD_UNIT=node.service", "MESSAGE=one"}},
		{time.Unix(2, 0), []string{"_SYSTEMD_UNIT=node.service", "MESSAGE=two\nlines"}},
	})
	got := show(t, dir, "node.service")
	if want := "one,two,lines"; strings.Join(got, ",") != want {
		t.Errorf("journal holds %q", got)
	}
}
