package sources

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// Following ten files to which nothing is written costs less than 1 % of a core.
// It is the CPU that is measured, not the time: a busy machine changes little of
// it. No other test runs beside this one.
func TestFileIdle(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		appendTo(t, filepath.Join(dir, fmt.Sprintf("n%d.log", i)), "old\n")
	}
	f := follow(t, FileOptions{Patterns: []string{filepath.Join(dir, "*.log")}})
	const idle = 3 * time.Second
	cost := idle
	for try := 0; try < 3 && cost > idle/100; try++ {
		before := cpuTime(t)
		time.Sleep(idle)
		cost = cpuTime(t) - before
		t.Logf("%.2f %% of a core", 100*cost.Seconds()/idle.Seconds())
	}
	if cost > idle/100 {
		t.Errorf("%v of CPU in %v, three times", cost, idle)
	}
	appendTo(t, filepath.Join(dir, "n3.log"), "new\n")
	f.want("new")
}
