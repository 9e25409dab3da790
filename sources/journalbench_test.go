package sources

import (
	"fmt"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/journaltest"
)

// benchJournal fills a journal and follows it from its beginning.
func benchJournal(b *testing.B, name string, lines, rotations int) (*journaltest.Journald, func() Batch) {
	b.Helper()
	j := journaltest.Start(b)
	node := j.Stream("node.service", "node")
	for i := range rotations + 1 {
		for range lines / (rotations + 1) {
			fmt.Fprint(node, benchLine)
		}
		j.Wait("node.service", (i+1)*(lines/(rotations+1)))
		if i < rotations {
			j.Rotate()
		}
	}
	src, err := newJournal(JournalOptions{Units: []string{"node"}, Directory: j.Directory(), Since: allTime}, journalReaders()[name])
	if err != nil {
		b.Fatal(err)
	}
	out := make(chan Batch)
	go src.Run(b.Context(), out)
	return j, func() Batch { return <-out }
}

// BenchmarkJournalBacklog is how fast a journal is caught up with.
func BenchmarkJournalBacklog(b *testing.B) {
	const lines = 100_000
	for name := range journalReaders() {
		b.Run(name, func(b *testing.B) {
			_, next := benchJournal(b, name, lines, 0)
			began := time.Now()
			for n := 0; n < lines; { // once, however often the benchmark is to run
				n += len(next().Lines)
			}
			b.ReportMetric(lines/time.Since(began).Seconds(), "lines/s")
		})
	}
}

// BenchmarkJournalLatency is the time from a write to a stream until its line
// is here; a line is written when the one before it has come.
func BenchmarkJournalLatency(b *testing.B) {
	for name := range journalReaders() {
		b.Run(name, func(b *testing.B) {
			j, next := benchJournal(b, name, 1, 0)
			node := j.Stream("node.service", "node")
			for n := 0; n < 1; {
				n += len(next().Lines)
			}
			for b.Loop() {
				fmt.Fprint(node, benchLine)
				next()
			}
		})
	}
}

// BenchmarkJournalIdle reports what following costs while nothing is logged, in
// percent of one core, with 20 journal files.
func BenchmarkJournalIdle(b *testing.B) {
	_, next := benchJournal(b, "built in", 2100, 20)
	for n := 0; n < 2100; {
		n += len(next().Lines)
	}
	before, began := cpuTime(b), time.Now()
	for b.Loop() {
		time.Sleep(3 * time.Second)
	}
	b.ReportMetric(100*(cpuTime(b)-before).Seconds()/time.Since(began).Seconds(), "%core")
}
