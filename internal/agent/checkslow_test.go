package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/sources"
)

// slow is a source that takes its time to open, and tells of its problems.
type slow struct {
	opens    time.Duration
	problems []string
}

func (s slow) String() string       { return "slow" }
func (s slow) Stats() sources.Stats { return sources.Stats{Problems: s.problems} }

func (s slow) Run(ctx context.Context, out chan<- sources.Batch) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.opens):
	}
	out <- sources.Batch{Lines: []sources.Line{{Text: "a line"}}}
	<-ctx.Done()
	return ctx.Err()
}

// A check waits for a source that is slow to open, which a busy machine makes
// it, and ends as soon as there is nothing more, or a reason why there is
// nothing.
func TestCheckWaitsForASlowSource(t *testing.T) {
	p, err := NewParser(config.Default(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		src   slow
		lines int64
		takes time.Duration
	}{
		{"slow", slow{opens: 3 * quietAfter / 2}, 1, 5 * quietAfter / 2},
		{"never opens", slow{opens: time.Hour}, 0, checkTimeout},
		{"says why it does not", slow{opens: time.Hour, problems: []string{"no journal"}}, 0, quietAfter},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, r := time.Now(), &reader{parser: p}
			if err := readQuiet(t.Context(), c.src, r); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); r.tally.Lines != c.lines || took != c.takes {
				t.Errorf("%s: %d lines after %v, want %d after %v", c.name, r.tally.Lines, took, c.lines, c.takes)
			}
		})
	}
}
