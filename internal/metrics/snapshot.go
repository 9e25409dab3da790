// Package metrics tells Prometheus what the daemon counts. It keeps no numbers
// of its own: at each scrape it asks for a Snapshot and writes that out, so
// that being watched costs the daemon nothing between scrapes. Every label has
// a closed list of values or comes from the configuration; nothing that a peer
// or a log line says becomes one.
package metrics

import (
	"context"
	"time"
)

// Snapshot is what the daemon knows at one moment. Counters begin with the
// daemon, or with the source they belong to.
type Snapshot struct {
	Version string
	Sources []Source
	Jails   []Jail
	// Firewalls are the places that bans are brought to, the kernel first.
	Firewalls []Firewall
	// Alarms are the standing ones by kind; every kind there is has an entry.
	Alarms map[string]int
	// Queued is how many batches of lines wait for the engine.
	Queued int
	// Saves are the times of saving decisions; Unsaved is how many decisions
	// the state file refused and that are lost at a restart.
	Saves   Durations
	Unsaved int
	// Checkpoint is when the last one was complete, zero before the first;
	// CheckpointTook how long writing it took.
	Checkpoint     time.Time
	CheckpointTook time.Duration
	// LostEvents counts what slow readers of the event stream missed.
	LostEvents int64
}

// Source is one log source.
type Source struct {
	Name string
	// Up is false while it waits for its log or fails to read it.
	Up bool
	// Lag is how many bytes are unread, -1 where the source can't know; Delay
	// how old the last dated line was when it was judged.
	Lag   int64
	Delay time.Duration
	// Lines and Events (lines that accuse somebody) are those judged; the
	// others are the source's own counts, as in sources.Stats.
	Lines, Events                       int64
	Bytes, Cut, Discarded               uint64
	Rotations, Truncations, Suppressed  uint64
	LastLine, LastRecognised, LastEvent time.Time
	Rejected                            map[string]int64 // by reason, without ordinary lines
	Rules                               []Rule
	Connections                         []Connections
	Failures                            []HandshakeFailures
}

// Rule is what one rule found in one source.
type Rule struct {
	Name string
	// Events counts lines, Failures their weights.
	Events, Failures int64
}

// Connections is how many connections the node says were established: a line
// that stands for a hundred counts as a hundred.
type Connections struct {
	Direction, Transport string
	N                    int64
}

// HandshakeFailures is how many inbound handshakes the node says failed.
type HandshakeFailures struct {
	Kind, Transport string
	N               int64
}

// Jail is one jail; the fields are those of jail.Counts.
type Jail struct {
	Name                        string
	Hosts, Lines, Bans, Holding int
	Events                      int64 // lines counted in a window
	Banned, Unbanned, Displaced int64
	Held, Ignored, Late         int64
	AfterBan, Evicted, Widened  int64
}

// Firewall is one place that bans are brought to.
type Firewall struct {
	Backend           string
	Healthy           bool
	Waiting           int
	Applied, Repaired int64
	LastApplied       time.Time
}

// Gather gives a Snapshot, or an error when the daemon can't answer before ctx
// ends.
type Gather func(ctx context.Context) (*Snapshot, error)

// bounds are the upper ends of Durations' buckets, in seconds: from what one
// commit to a good disk takes to what makes bans come late.
var bounds = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// Durations counts durations in buckets. Its owner guards it; a copy is a
// snapshot.
type Durations struct {
	buckets [len(bounds)]uint64
	n       uint64
	sum     float64
}

// Observe counts one.
func (d *Durations) Observe(took time.Duration) {
	s := took.Seconds()
	d.n++
	d.sum += s
	for i := len(bounds) - 1; i >= 0 && s <= bounds[i]; i-- {
		d.buckets[i]++
	}
}
