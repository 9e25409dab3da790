package agent

import (
	"fmt"
	"time"

	"github.com/p2pban/p2pban/jail"
)

const (
	// lateEvery is the time from one look at a jail to the next; each is about the
	// events that came in between.
	lateEvery = time.Minute
	// lateLeast is how many late events among them are worth an alarm.
	lateLeast = 10
)

// lateness finds out whether a jail is blind because events come with times
// that have left its window: the node's clock or time zone is another, or its
// log is read too late.
type lateness struct {
	since       time.Time // the last look
	late, total int64     // then, of the jail's counts
	// share is how many of all events between the last two looks were late.
	share struct{ late, total int64 }
}

func (l *lateness) look(now time.Time, c jail.Counts) {
	if !l.since.IsZero() && now.Sub(l.since) < lateEvery {
		return
	}
	total := c.Events + c.Late
	l.share.late, l.share.total = c.Late-l.late, total-l.total
	l.since, l.late, l.total = now, c.Late, total
}

// what is the text of the alarm, empty while there is none.
func (l *lateness) what(name string, findtime time.Duration) string {
	if l.share.late < lateLeast || l.share.late*2 < l.share.total {
		return ""
	}
	return fmt.Sprintf("jail %s can't count %d of the last %d events: their times are more than its findtime (%s) ago",
		name, l.share.late, l.share.total, findtime)
}
