// Package jail judges: events go in with their times, decisions come out. It
// is a state machine without a goroutine, a file, a socket or a clock; one
// caller owns it. The same events give the same decisions, byte for byte.
package jail

import (
	"net/netip"
	"time"
)

// Forever is a BanTime without an end.
const Forever time.Duration = -1

// Action is what a Decision does.
type Action uint8

const (
	// Ban puts a prefix out.
	Ban Action = iota
	// Unban lets it in again.
	Unban
)

// String is the word in JSON: "ban" or "unban".
func (a Action) String() string {
	if a == Ban {
		return "ban"
	}
	return "unban"
}

// Manual is the name of the jail that holds bans made by hand.
const Manual = "manual"

// Decision is one ban or unban.
type Decision struct {
	Action Action
	Jail   string
	// Host is the address judged; for a prefix, the one whose event decided.
	Host   netip.Addr
	Prefix netip.Prefix
	// At is when the decision holds from; Until is when the ban ends, zero for
	// a ban for ever and for an unban.
	At, Until time.Time
	// Failures is the weighted count that reached maxretry.
	Failures int64
	Evidence Evidence
}

// Evidence is what a ban rests on; all of it is bounded.
type Evidence struct {
	// Rules counts lines (not weights) by rule.
	Rules map[string]int
	// First and Last are the times of the earliest and latest event counted.
	First, Last time.Time
	// Line is the deciding line, at most MaxEvidenceLine bytes.
	Line string
	// Reason is the operator's text for a ban by hand.
	Reason string
}

// MaxEvidenceLine bounds the deciding line kept with a ban, in bytes.
const MaxEvidenceLine = 1024
