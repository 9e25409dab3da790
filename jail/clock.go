package jail

import (
	"math"
	"time"
)

// instant is a time in nanoseconds since 1970, UTC, clamped to what an int64
// holds (to the year 2262), so that no time a log can name overflows.
type instant int64

// never is later than every instant that a clamped time can have.
const never instant = math.MaxInt64

func toInstant(t time.Time) instant {
	switch s := t.Unix(); {
	case s < 0:
		return 0
	case s >= math.MaxInt64/int64(time.Second):
		return never - 1
	}
	return instant(t.UnixNano())
}

// time gives the zero Time for never.
func (i instant) time() time.Time {
	if i == never {
		return time.Time{}
	}
	return time.Unix(0, int64(i)).UTC()
}

// add saturates below never; d is not negative, except Forever.
func (i instant) add(d time.Duration) instant {
	switch {
	case d == Forever:
		return never
	case i > never-1-instant(d):
		return never - 1
	}
	return i + instant(d)
}

// timeOrZero gives the zero Time for the instant 0, which stands for none.
func (i instant) timeOrZero() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return i.time()
}
