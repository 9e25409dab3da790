package agent

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/p2pban/p2pban/internal/config"
)

// rateEnough is how many lines a second of one service journald must keep for a
// flood to be seen; a busy node under attack logs some thousands.
const rateEnough = 10_000

// rateLimit is how many messages of a service journald keeps in a time
// (journald.conf(5), RateLimitIntervalSec and RateLimitBurst); either may be 0,
// which is no limit.
type rateLimit struct {
	interval time.Duration
	burst    int64
}

// defaultRateLimit is systemd's.
var defaultRateLimit = rateLimit{30 * time.Second, 10_000}

// tight tells whether a flood would be thrown away.
func (r rateLimit) tight() bool {
	return r.interval > 0 && r.burst > 0 && float64(r.burst)/r.interval.Seconds() < rateEnough
}

// journalLimit says so when journald would throw away the lines of a unit under
// a flood, before it happens.
func (c *checker) journalLimit(ctx context.Context, about string, spec config.Source) {
	if _, err := os.Stat("/run/systemd/system"); err != nil || spec.Directory != "" {
		return // another machine's journal, and another's limits
	}
	text, err := exec.CommandContext(ctx, "systemd-analyze", "cat-config", "systemd/journald.conf").Output()
	if err != nil {
		return
	}
	machine := parseRateLimit(string(text), defaultRateLimit, "RateLimitIntervalSec", "RateLimitBurst")
	for _, unit := range spec.Units {
		limit := machine
		if own, err := exec.CommandContext(ctx, "systemctl", "show", "--property=LogRateLimitIntervalUSec,LogRateLimitBurst", "--", unit).Output(); err == nil {
			// A unit's 0 is what the machine has.
			if r := parseRateLimit(string(own), rateLimit{}, "LogRateLimitIntervalUSec", "LogRateLimitBurst"); r.interval > 0 && r.burst > 0 {
				limit = r
			}
		}
		if limit.tight() {
			c.add(Warning, about, fmt.Sprintf("under a flood journald throws lines of %s away: it keeps %d in %v, times up to 4 by the room that the journal has", unit, limit.burst, limit.interval), raiseLimit)
		}
	}
}

// raiseLimit is what to do against it.
const raiseLimit = "raise the limit: install 50-p2pban.conf, which comes with p2pban (packaging/journald, or /usr/share/doc/p2pban/examples/journald), in /etc/systemd/journald.conf.d/ and run `systemctl restart systemd-journald`"

// parseRateLimit reads two settings out of lines KEY=VALUE; the last of each
// counts, and an empty one is the default again.
func parseRateLimit(text string, def rateLimit, interval, burst string) rateLimit {
	r := def
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case interval:
			r.interval = def.interval
			if d, err := parseTimeSpan(value); err == nil {
				r.interval = d
			}
		case burst:
			r.burst = def.burst
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				r.burst = n
			}
		}
	}
	return r
}

// parseTimeSpan reads the usual forms of systemd.time(7): a number is seconds.
func parseTimeSpan(s string) (time.Duration, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return time.Duration(n * float64(time.Second)), nil
	}
	return time.ParseDuration(strings.NewReplacer("min", "m", "sec", "s", " ", "").Replace(s))
}
