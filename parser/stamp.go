package parser

import "time"

// stamp is a time as written at the start of a text.
type stamp struct {
	t     time.Time
	n     int  // bytes read; 0 when there is none
	zoned bool // the zone was written
	year  bool // the year was written
}

// readStamp reads "2006-01-02?15:04:05[(.|,)fraction][Z|±hh:mm|±hhmm]", where ?
// is sep. Without a zone the time is given as if it were UTC.
func readStamp(s string, sep byte) stamp {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != sep {
		return stamp{}
	}
	year, ok1 := digits(s[0:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	sec, ok4 := readClock(s[11:19])
	if !ok1 || !ok2 || !ok3 || !ok4 || year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 {
		return stamp{}
	}
	nanos, n := readFraction(s, 19)
	offset, zoned, n := readZone(s, n)
	t := time.Date(year, time.Month(month), day, 0, 0, sec-offset, nanos, time.UTC)
	return stamp{t: t, n: n, zoned: zoned, year: true}
}

// readShortStamp reads "Jan _2 15:04:05[.fraction]", which has neither year nor
// zone; the time is given in the year 0.
func readShortStamp(s string) stamp {
	if len(s) < 15 || s[3] != ' ' || s[6] != ' ' {
		return stamp{}
	}
	month := monthNumber(s[0:3])
	d := s[4:6]
	if d[0] == ' ' {
		d = d[1:]
	}
	day, ok1 := digits(d)
	sec, ok2 := readClock(s[7:15])
	if month == 0 || !ok1 || !ok2 || day < 1 || day > 31 {
		return stamp{}
	}
	nanos, n := readFraction(s, 15)
	return stamp{t: time.Date(0, month, day, 0, 0, sec, nanos, time.UTC), n: n}
}

// complete gives a stamp its missing year and zone from ref: the year that puts
// it nearest to ref, and ref's zone. Without a ref it gives the zero time, and of no
// stamp too.
func (s stamp) complete(ref time.Time) time.Time {
	if s.zoned && s.year {
		return s.t
	}
	if s.n == 0 || ref.IsZero() {
		return time.Time{}
	}
	at := func(year int) time.Time {
		return time.Date(year, s.t.Month(), s.t.Day(), s.t.Hour(), s.t.Minute(), s.t.Second(), s.t.Nanosecond(), ref.Location())
	}
	if s.year {
		return at(s.t.Year()).UTC()
	}
	best := at(ref.Year())
	for _, year := range [...]int{ref.Year() - 1, ref.Year() + 1} {
		if t := at(year); t.Sub(ref).Abs() < best.Sub(ref).Abs() {
			best = t
		}
	}
	return best.UTC()
}

// readClock reads "15:04:05" as seconds of the day; a leap second is allowed.
func readClock(s string) (sec int, ok bool) {
	if s[2] != ':' || s[5] != ':' {
		return 0, false
	}
	h, ok1 := digits(s[0:2])
	m, ok2 := digits(s[3:5])
	sec, ok3 := digits(s[6:8])
	return h*3600 + m*60 + sec, ok1 && ok2 && ok3 && h < 24 && m < 60 && sec < 61
}

// readFraction reads ".123" or ",123" (up to nine digits) at s[n:].
func readFraction(s string, n int) (nanos, end int) {
	if n >= len(s) || s[n] != '.' && s[n] != ',' {
		return 0, n
	}
	scale := 100_000_000
	end = n + 1
	for end < len(s) && isDigit(s[end]) && scale > 0 {
		nanos += int(s[end]-'0') * scale
		scale /= 10
		end++
	}
	if end == n+1 {
		return 0, n
	}
	return nanos, end
}

// readZone reads "Z", "+05:00" or "-0500" at s[n:]; offset is in seconds.
func readZone(s string, n int) (offset int, zoned bool, end int) {
	if n >= len(s) {
		return 0, false, n
	}
	if s[n] == 'Z' {
		return 0, true, n + 1
	}
	if s[n] != '+' && s[n] != '-' || n+5 > len(s) {
		return 0, false, n
	}
	m := n + 3
	if s[m] == ':' {
		m++
	}
	if m+2 > len(s) {
		return 0, false, n
	}
	h, ok1 := digits(s[n+1 : n+3])
	min, ok2 := digits(s[m : m+2])
	if !ok1 || !ok2 || h > 14 || min > 59 {
		return 0, false, n
	}
	offset = h*3600 + min*60
	if s[n] == '-' {
		offset = -offset
	}
	return offset, true, m + 2
}

func monthNumber(s string) time.Month {
	for m := time.January; m <= time.December; m++ {
		if m.String()[:3] == s {
			return m
		}
	}
	return 0
}

// digits reads a short decimal number that is nothing but digits.
func digits(s string) (n int, ok bool) {
	if len(s) == 0 || len(s) > 9 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
