package sources

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/journaltest"
)

// A journalctl that stands still, here because it is stopped, is replaced by one
// that goes on behind the last entry.
func TestJournalctlStandsStill(t *testing.T) {
	t.Parallel()
	j := journaltest.Start(t)
	node := j.Stream("node.service", "node")
	write(t, node, "first\n")
	j.Wait("node.service", 1)
	opened, err := openJournalctl(j.Directory(), [][]string{{"_SYSTEMD_UNIT=node.service"}})
	must(t, err)
	defer opened.close()
	c := opened.(*journalctl)
	c.again = pace{every: 10 * time.Millisecond, still: 50 * time.Millisecond, restart: 100 * time.Millisecond}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	next := func() string {
		t.Helper()
		got, err := c.next(ctx)
		if err != nil || len(got) != 1 {
			t.Fatalf("%v, %v; want one entry", got, err)
		}
		return got[0].message
	}
	_, err = c.follow(ctx, "")
	must(t, err)
	if got := next(); got != "first" {
		t.Fatalf("%q", got)
	}
	for _, text := range []string{"second", "third"} {
		must(t, c.cmd.Process.Signal(syscall.SIGSTOP))
		write(t, node, text+"\n")
		if got := next(); got != text {
			t.Fatalf("%q comes, want %q", got, text)
		}
	}
}

func TestJournalctlIsReplaced(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(1_000_000+int64(seconds), 0) }
	for _, tt := range []struct {
		name                    string
		now, heard, began, grew int
		want                    bool
	}{
		{"an entry was passed over", 100, 50, 0, 60, true},
		{"none came since the start", 100, 0, 50, 60, true},
		{"it has told of all", 100, 60, 0, 60, false},
		{"nothing was written since the start", 100, 0, 60, 50, false},
		{"the entry may be on its way", 100, 50, 0, 99, false},
		{"it was replaced just now", 100, 50, 80, 90, false},
	} {
		if got := usualPace.due(at(tt.now), at(tt.heard), at(tt.began), at(tt.grew)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
