package setup

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// spans are fail2ban's units (server/mytime.py, MyTime.str2seconds): each may
// be shortened to one or two letters or to three. A year has 365.25 days and a
// month is a twelfth of that.
var spans = []struct {
	name    *regexp.Regexp
	seconds float64
}{
	{regexp.MustCompile(`^(days?|da|dd?)$`), 86400},
	{regexp.MustCompile(`^(weeks?|wee?|ww?)$`), 7 * 86400},
	{regexp.MustCompile(`^(months?|mon?)$`), 365.25 * 86400 / 12},
	{regexp.MustCompile(`^(years?|yea?|yy?)$`), 365.25 * 86400},
	{regexp.MustCompile(`^(seconds?|sec?|ss?)$`), 1},
	{regexp.MustCompile(`^(minutes?|min?|mm?)$`), 60},
	{regexp.MustCompile(`^(hours?|hou?|hh?)$`), 3600},
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
	for _, u := range spans {
		if u.name.MatchString(name) {
			return u.seconds
		}
	}
	return 0
}
