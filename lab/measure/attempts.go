package measure

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/p2pban/p2pban/lab/attack"
)

// Attempts collects what attackers and honest peers tell of themselves, as
// lines of JSON.
type Attempts struct {
	mu  sync.Mutex
	all []attack.Attempt
	err error
}

// Hear takes one line.
func (a *Attempts) Hear(line []byte) {
	var t attack.Attempt
	err := json.Unmarshal(line, &t)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.err = fmt.Errorf("no attempt: %w: %s", err, line)
		return
	}
	a.all = append(a.all, t)
}

// All gives the attempts by the time they were begun. The error says that a
// line was none.
func (a *Attempts) All() ([]attack.Attempt, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := slices.Clone(a.all)
	slices.SortFunc(all, func(x, y attack.Attempt) int { return x.At.Compare(y.At) })
	return all, a.err
}

// Len is how many there are yet.
func (a *Attempts) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.all)
}

// Summary is what became of attempts.
type Summary struct {
	Tried   int `json:"tried"`
	Served  int `json:"served"`
	Refused int `json:"refused"`
	Dropped int `json:"dropped"`
	// MedianMillis and P95Millis are of those served; 0 if none was.
	MedianMillis float64 `json:"median_ms"`
	P95Millis    float64 `json:"p95_ms"`
}

// Summarise sums up the attempts begun in [from, to).
func Summarise(all []attack.Attempt, from, to time.Time) Summary {
	var s Summary
	var took []float64
	for _, a := range all {
		if a.At.Before(from) || !a.At.Before(to) {
			continue
		}
		s.Tried++
		switch a.Outcome {
		case attack.Served:
			s.Served++
			took = append(took, a.Millis)
		case attack.Refused:
			s.Refused++
		case attack.Dropped:
			s.Dropped++
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		s.MedianMillis = stat.Quantile(0.5, stat.Empirical, took, nil)
		s.P95Millis = stat.Quantile(0.95, stat.Empirical, took, nil)
	}
	return s
}

// Success is the share that was served, 1 if none was tried.
func (s Summary) Success() float64 {
	if s.Tried == 0 {
		return 1
	}
	return float64(s.Served) / float64(s.Tried)
}
