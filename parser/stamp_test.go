package parser

import (
	"testing"
	"time"
)

func TestReadStamp(t *testing.T) {
	for _, c := range []struct {
		text  string
		sep   byte
		want  string // RFC 3339, "" for none
		zoned bool
	}{
		{"2026-11-20T11:20:20.722Z", 'T', "2026-11-20T11:20:20.722Z", true},
		{"2026-11-20T06:46:51.797-0500", 'T', "2026-11-20T11:46:51.797Z", true},
		{"2026-11-20T06:46:51.776-05:00", 'T', "2026-11-20T11:46:51.776Z", true},
		{"2026-11-20T11:30:47.037376123+05:30", 'T', "2026-11-20T06:00:47.037376123Z", true},
		{"2026-11-20T11:30:47+0000", 'T', "2026-11-20T11:30:47Z", true},
		{"2026-08-18 12:00:00,123", ' ', "2026-08-18T12:00:00.123Z", false},
		{"2016-12-31T23:59:60Z", 'T', "2017-01-01T00:00:00Z", true}, // a leap second
		{"2026-13-20T11:20:20Z", 'T', "", false},
		{"2026-11-20T25:20:20Z", 'T', "", false},
		{"2026-11-20 11:20:20Z", 'T', "", false},
		{"2026-11-2011:20:20Z", 'T', "", false},
		{"202-11-20T11:20:20Z", 'T', "", false},
		{"", 'T', "", false},
	} {
		at := readStamp(c.text, c.sep)
		if c.want == "" {
			if at.n != 0 {
				t.Errorf("%q: %v, want none", c.text, at.t)
			}
			continue
		}
		want, err := time.Parse(time.RFC3339Nano, c.want)
		if err != nil {
			t.Fatal(err)
		}
		if !at.t.Equal(want) || at.zoned != c.zoned || at.n != len(c.text) {
			t.Errorf("%q: %v, zone %v, %d bytes; want %v, %v", c.text, at.t, at.zoned, at.n, want, c.zoned)
		}
	}
}

// A time in JSON that is written in no known form is none: the first of January, which
// it was, is half a year late or early.
func TestReadJSONTime(t *testing.T) {
	ref := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	at := time.Date(2026, 11, 20, 11, 28, 35, 122e6, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-20T11:28:35.122Z": at,
		"2026-11-20 11:28:35.122":  at,
		"1795174115.122":           at,
		"Nov 20 11:28:35.122":      at, // Lighthouse's --log-format JSON
		"1795174115122":            {}, // milliseconds
		"":                         {}, // Lighthouse's --disable-log-timestamp
		"11:28":                    {},
		"Nov 20 11:28:35.122 x":    {},
	} {
		if got := readJSONTime(text).complete(ref); got.Sub(want).Abs() > time.Millisecond {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// A stamp without a year gets the one that puts it nearest to the reference.
func TestCompleteStamp(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	for _, c := range []struct {
		stamp string
		ref   time.Time
		want  time.Time
	}{
		{"Nov 20 11:30:46", time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), time.Date(2026, 11, 20, 11, 30, 46, 0, time.UTC)},
		{"Dec 31 23:59:59", time.Date(2027, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)},
		{"Jan  1 00:00:01", time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 1, 0, time.UTC)},
		{"Nov 20 11:30:46.5", time.Date(2026, 11, 20, 12, 0, 0, 0, berlin), time.Date(2026, 11, 20, 10, 30, 46, 5e8, time.UTC)},
		{"Nov 20 11:30:46", time.Time{}, time.Time{}},
	} {
		at := readShortStamp(c.stamp)
		if got := at.complete(c.ref); at.n != len(c.stamp) || !got.Equal(c.want) {
			t.Errorf("%q near %v: %v, want %v", c.stamp, c.ref, got, c.want)
		}
	}
	for _, bad := range []string{"Nov 20", "Foo 20 11:30:46", "Nov 32 11:30:46", "Nov 20 11:30:99", "nov 20 11:30:46"} {
		if at := readShortStamp(bad); at.n != 0 {
			t.Errorf("%q: %v, want none", bad, at.t)
		}
	}
}

// Whose time counts: the line's own, then a carrier's full stamp, then the
// source's, then a carrier's stamp without a year.
func TestLineTime(t *testing.T) {
	const weald = "libp2p:connection-manager connection from /ip4/203.0.113.66/tcp/1 refused - connection remote address was in deny list"
	const own = "2026-11-20T11:00:00.000Z "
	source := time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)
	p := newParser(t, Options{})
	var res Result
	for _, c := range []struct {
		text string
		time time.Time
		want string
	}{
		{own + weald, source, "11:00:00"},
		{"Nov 20 12:00:00 vm node[1]: " + own + weald, source, "11:00:00"},
		{"2026-11-20T12:00:00+00:00 vm node[1]: " + weald, source, "12:00:00"},
		{"Nov 20 12:00:00 vm node[1]: " + weald, source, "13:00:00"},
		{"Nov 20 12:00:00 vm node[1]: " + weald, time.Time{}, "12:00:00"},
		{weald, source, "13:00:00"},
		{weald, time.Time{}, "00:00:00"},
	} {
		p.Parse(Line{Text: c.text, Time: c.time, Ref: sampleRef}, &res)
		if got := res.Event.Time.Format(time.TimeOnly); res.Reject != Accepted || got != c.want {
			t.Errorf("%s: %v at %s, want %s", c.text, res.Reject, got, c.want)
		}
	}
}
