package agent

import (
	"testing"

	"github.com/p2pban/p2pban/sources"
)

// A batch of a source that a reload has removed is not read.
func TestBatchOfASourceThatIsGone(t *testing.T) {
	e, _ := judging(t)
	e.batch(sources.Batch{Source: "gone", Stream: "a", Text: "a line\n", Cursor: "there"})
	if cursor, known := e.cursors["gone"]; known {
		t.Errorf("its cursor %q is kept", cursor)
	}
}
