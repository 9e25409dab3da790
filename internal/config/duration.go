package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/p2pban/p2pban/jail"
)

// units are the units of a duration. fail2ban's letters mean the same.
var units = []struct {
	name string
	size time.Duration
}{
	{"ms", time.Millisecond}, // before "m"
	{"s", time.Second},
	{"m", time.Minute},
	{"h", time.Hour},
	{"d", 24 * time.Hour},
	{"w", 7 * 24 * time.Hour},
}

// ParseDuration reads a length of time: whole or decimal numbers, each with a
// unit, as in "90s", "3m", "1h30m", "1.5h", "1d", "1w". A day is 24 hours. It
// is never negative, and a number without a unit is an error.
func ParseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, errors.New(`empty; write a duration such as "3m"`)
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, noUnit(s)
	}
	var total float64
	for rest := s; rest != ""; {
		end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if end < 0 {
			return 0, fmt.Errorf("%q ends without a unit; units are ms, s, m, h, d and w", s)
		}
		n, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return 0, fmt.Errorf(`%q is no duration; write one such as "3m", "1h30m" or "1d"`, s)
		}
		rest = rest[end:]
		var size time.Duration
		for _, u := range units {
			if after, ok := strings.CutPrefix(rest, u.name); ok {
				size, rest = u.size, after
				break
			}
		}
		if size == 0 {
			return 0, fmt.Errorf("%q has an unknown unit at %q; units are ms, s, m, h, d and w", s, rest)
		}
		total += n * float64(size)
	}
	if total >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is longer than the 292 years that can be counted", s)
	}
	return time.Duration(math.Round(total)), nil
}

func noUnit(number string) error {
	return fmt.Errorf(`%s has no unit; write "%ss" for seconds, or use m, h, d or w`, number, number)
}

// ParseBanTime is ParseDuration, and "-1" is jail.Forever.
func ParseBanTime(s string) (time.Duration, error) {
	if s == "-1" {
		return jail.Forever, nil
	}
	d, err := ParseDuration(s)
	if err == nil && d == 0 {
		return 0, errors.New(`a ban needs a length; write one such as "10m", or "-1" for ever`)
	}
	return d, err
}

// FormatDuration writes a duration as ParseBanTime reads it, in the largest
// units that give whole numbers: "3m", "1h30m", "1d", "-1" for jail.Forever.
// What is below a millisecond is left out.
func FormatDuration(d time.Duration) string {
	if d == jail.Forever {
		return "-1"
	}
	if d < time.Millisecond {
		return "0s"
	}
	var b strings.Builder
	for _, i := range []int{5, 4, 3, 2, 1, 0} {
		if n := d / units[i].size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, units[i].name)
			d -= n * units[i].size
		}
	}
	return b.String()
}
