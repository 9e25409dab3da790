package agent

import (
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"github.com/p2pban/p2pban/jail"
)

// keepTime moves what is kept along with the machine's clock where that was set,
// before anything is done by its new time.
func (e *engine) keepTime(now time.Time) {
	e.enforce(setBack(e.jails, now, e.log), false)
	e.enforce(e.setAhead(), false)
}

// setBack sets the jails' clock back to the wall clock where the wall clock
// went back: it was wrong, and has been corrected. No line can bring this
// about, for the reader lets none be further ahead than maxAhead.
func setBack(s *jail.Set, now time.Time, log *slog.Logger) []jail.Decision {
	was := s.Clock()
	if !was.After(now.Add(maxAhead)) {
		return nil
	}
	log.Warn("the machine's clock went back; windows and bans are moved with it, and keep what they have left",
		"was", was, "is", now)
	return s.SetBack(now)
}

// setAhead moves the bans forward with a machine's clock that was behind and has
// been set right: one without a clock chip starts years or hours behind. Downtime and
// sleep are no such step. What was made before this start keeps the time it has
// left, too: the machine may have been behind even then.
func (e *engine) setAhead() []jail.Decision {
	was := e.booted
	e.booted = e.bootTime()
	by := e.booted.Sub(was)
	if by <= maxAhead {
		if by > -maxAhead {
			e.booted = was // many little steps are one
		}
		return nil
	}
	e.log.Warn("the machine's clock was set forward; bans are moved with it, and keep what they have left", "by", by.Round(time.Second))
	return e.jails.SetAhead(by)
}

// bootTime is when the machine began to run, by its clock as it is now: only
// setting that moves it. Without Round, Sub would go by a clock that nobody sets.
func (e *engine) bootTime() time.Time { return e.now().Round(0).Add(-e.upTime()) }

// upTime is CLOCK_BOOTTIME, which no Linux is without.
func upTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
