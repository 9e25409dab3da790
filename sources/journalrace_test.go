//go:build cgo && linux

package sources

import (
	"context"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/journaltest"
)

// journald counts an entry before it can be found by its unit. Looking without
// a pause meets that moment at every thirtieth entry or so (systemd 252); the
// entry must come all the same, although nothing follows it.
func TestJournalLooksAgainAfterLookingTooEarly(t *testing.T) {
	t.Parallel()
	const (
		entries = 100
		// early is when an entry that has not come was looked for too early, or
		// the machine is busy.
		early = 100 * time.Millisecond
	)
	j := journaltest.Start(t)
	node := j.Stream("node.service", "node")
	write(t, node, "first\n")
	j.Wait("node.service", 1)
	opened, err := openLibsystemd(j.Directory(), [][]string{{"_SYSTEMD_UNIT=node.service"}})
	must(t, err)
	defer opened.close()
	l := opened.(*libsystemd)
	next := func() ([]entry, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return l.next(ctx)
	}
	_, err = l.follow(t.Context(), "")
	must(t, err)
	_, err = next()
	must(t, err)
	for i := range entries {
		write(t, node, "another\n")
		for began := time.Now(); !l.ready && time.Since(began) < early; {
			n, err := l.j.Next()
			must(t, err)
			l.ready = n > 0
		}
		got, err := next()
		if err != nil || len(got) != 1 || got[0].message != "another" {
			t.Fatalf("entry %d: %v, %v", i, got, err)
		}
	}
}
