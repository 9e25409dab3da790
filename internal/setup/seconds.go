package setup

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// units are fail2ban's, in seconds (server/mytime.py, MyTime.str2seconds): each
// may be shortened to one or two letters or to three. A year has 365.25 days and
// a month is a twelfth of that.
var units = []struct {
	names   string
	seconds float64
}{
	{"s ss se sec second seconds", 1},
	{"m mm mi min minute minutes", 60},
	{"h hh ho hou hour hours", 3600},
	{"d dd da day days", 86400},
	{"w ww we wee week weeks", 7 * 86400},
	{"mo mon month months", 365.25 * 86400 / 12},
	{"y yy ye yea year years", 365.25 * 86400},
}

var (
	span     = regexp.MustCompile(`^\s*\*?\s*([0-9]+(?:\.[0-9]*)?)\s*([a-z]*)`)
	errNoNum = errors.New("no length of time that is understood here")
)

// seconds reads a length of time as fail2ban writes it: seconds, or numbers
// with units ("1d 12h", "10m"), or a product ("60 * 60"). Below zero is for ever.
func seconds(s string) (time.Duration, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	if n, err := strconv.ParseFloat(text, 64); err == nil && n < 0 {
		return -1, nil
	}
	var sum, term float64
	for rest := text; ; {
		m := span.FindStringSubmatch(rest)
		if m == nil {
			return 0, fmt.Errorf("%q is %w", s, errNoNum)
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, fmt.Errorf("%q is %w", s, errNoNum)
		}
		size := unitOf(m[2])
		if size == 0 {
			return 0, fmt.Errorf("%q has the unknown unit %q", s, m[2])
		}
		if strings.HasPrefix(strings.TrimSpace(rest), "*") && term > 0 {
			term *= n * size
		} else {
			sum, term = sum+term, n*size
		}
		if rest = strings.TrimSpace(rest[len(m[0]):]); rest == "" {
			break
		}
		rest = strings.TrimPrefix(rest, "+")
	}
	total := (sum + term) * float64(time.Second)
	if total <= 0 || total >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is %w", s, errNoNum)
	}
	return time.Duration(math.Round(total)), nil
}

// unitOf is the seconds of a unit; 1 without one, 0 of none that is known.
func unitOf(name string) float64 {
	if name == "" {
		return 1
	}
	for _, u := range units {
		if slices.Contains(strings.Fields(u.names), name) {
			return u.seconds
		}
	}
	return 0
}
