package agent

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/p2pban/p2pban/sources"
)

// TestBatchesThatWait gives the same random logs to two engines, to one batch by
// batch and to the other so that batches wait and are read beside it, while
// somebody looks at its status all the time: it comes to the same.
func TestBatchesThatWait(t *testing.T) {
	ordinary := nodeLines(t)
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 9))
		waiting, now := judging(t)
		alone, _ := judging(t)
		alone.now = waiting.now
		waiting.batches = make(chan sources.Batch, queueBatches)
		for _, e := range []*engine{waiting, alone} {
			e.sources[0].flow = newFlow(*now)
		}
		lookers, stop := context.WithCancel(t.Context())
		var looking sync.WaitGroup
		looking.Go(func() {
			for waiting.look(lookers, func() { waiting.status() }) == nil {
			}
		})
		beside := false
		judge := func() {
			for len(waiting.batches) > 0 {
				beside = beside || len(waiting.batches) > 1
				waiting.batch(<-waiting.batches)
			}
		}
		for _, stream := range []string{"node.log", "other.log", "node.log"} {
			log := randomLog(r, ordinary, *now)
			for b, err := range sources.ReadBlocks(&shortReads{r, strings.NewReader(log)}) {
				if err != nil {
					t.Fatal(err)
				}
				batch := sources.Batch{Source: "node", Stream: stream, Lines: b.Lines, Text: strings.Clone(b.Text), Cursor: "here"}
				if waiting.batches <- batch; len(waiting.batches) == queueBatches {
					judge()
				}
				alone.batch(batch)
			}
		}
		judge()
		stop()
		looking.Wait()
		if !beside {
			t.Errorf("log %d: no batch waited", seed)
		}
		sameSource(t, seed, waiting.sources[0], alone.sources[0])
		sameJudgement(t, seed, waiting, alone)
	}
}

// A batch of a source that a reload has removed is given back unread.
func TestBatchOfASourceThatIsGone(t *testing.T) {
	e, _ := judging(t)
	e.batches = make(chan sources.Batch, 1)
	e.batches <- sources.Batch{Source: "gone", Stream: "a", Text: "a line\n", Cursor: "there"}
	e.batch(sources.Batch{Source: "gone", Stream: "a", Text: "a line\n", Cursor: "there"})
	if _, known := e.cursors["gone"]; known || len(e.batches) > 0 || e.beside != nil {
		t.Errorf("cursors %q, %d batches wait, read beside: %v", e.cursors, len(e.batches), e.beside != nil)
	}
}
