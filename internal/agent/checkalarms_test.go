package agent

import (
	"slices"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/control"
)

// A check tells of every alarm, with what to do: the second may be the worse one.
func TestCheckTellsOfAllAlarms(t *testing.T) {
	c := &checker{}
	c.alarms(&control.Status{Now: time.Now(), Alarms: []control.Alarm{
		{Kind: "repaired", What: "somebody flushes the table", Fix: "find out who"},
		{Kind: "state", What: "the disk is full", Fix: "make room"},
	}})
	for _, want := range []Finding{
		{Warning, "daemon", "alarm: somebody flushes the table", "find out who"},
		{Warning, "daemon", "alarm: the disk is full", "make room"},
	} {
		if !slices.Contains(c.findings, want) {
			t.Errorf("%+v is not among %+v", want, c.findings)
		}
	}
}
