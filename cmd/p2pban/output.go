package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// timeLayout is how people read a time: in the local zone, with its offset.
const timeLayout = "2006-01-02 15:04:05 -07:00"

func local(t time.Time) string { return t.Local().Format(timeLayout) }

// until writes the end of a ban.
func until(t *time.Time) string {
	if t == nil {
		return "for ever"
	}
	return local(*t)
}

// ago writes how long a time is past, in the largest sensible unit.
func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return "never"
	}
	return span(now.Sub(*t)) + " ago"
}

func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// indent puts by before every line but the first.
func indent(s, by string) string { return strings.ReplaceAll(s, "\n", "\n"+by) }

// plural writes "1 ban", "2 bans".
func plural[N int | int64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// table writes aligned columns, separated in the input by tabs.
func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 8, 2, ' ', 0) }

// printJSON writes one value on one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
