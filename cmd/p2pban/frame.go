package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/p2pban/p2pban/internal/control"
)

// screen is where a frame goes; without columns and rows it is as long and as
// wide as it is.
type screen struct {
	columns, rows int
	colour        bool
}

// loud makes a line stand out.
func (s screen) loud(text string) safe {
	if !s.colour {
		return safe(printable(text))
	}
	return safe("\x1b[1;31m" + printable(text) + "\x1b[0m")
}

// maxWrapped bounds the lines that a long text takes; `p2pban status` has all.
const maxWrapped = 3

// wrap breaks a text between words where a line of the screen ends.
func (s screen) wrap(text string) []string {
	const indent = "      "
	var lines []string
	for s.columns > 2*len(indent) && utf8.RuneCountInString(text) > s.columns && len(lines) < maxWrapped-1 {
		line := string([]rune(text)[:s.columns+1])
		at := strings.LastIndexByte(line, ' ')
		if at <= len(indent) {
			break // a word as long as the line
		}
		lines = append(lines, text[:at])
		text = indent + text[at+1:]
	}
	return append(lines, text)
}

// draw writes one frame: what needs a person stands first.
func draw(v *view, s screen) safe {
	var b strings.Builder
	st := v.Status
	say(&b, "p2pban %s, up %s, %s in force  %s\n", st.Version, span(st.Up()), plural(st.Bans, "ban"), local(st.Now))
	for _, a := range st.Alarms {
		for _, line := range s.wrap(fmt.Sprintf("ALARM %s (%s): %s", a.Kind, span(st.Now.Sub(a.Since)), a.What)) {
			say(&b, "%s\n", s.loud(line))
		}
		if fix, _, _ := strings.Cut(a.Fix, "\n"); fix != "" {
			for _, line := range s.wrap("      " + fix) {
				say(&b, "%s\n", line)
			}
		}
	}
	if len(st.Alarms) == 0 {
		say(&b, "all is well\n")
	}
	say(&b, "\n")
	drawSources(&b, v)
	drawJails(&b, st.Jails)
	for _, f := range append([]control.FirewallStatus{st.Firewall}, st.Doors...) {
		printFirewall(&b, st, &f)
	}
	drawNearest(&b, v.Nearest)
	drawLatest(&b, v.Latest)
	return safe(b.String())
}

func drawSources(w io.Writer, v *view) {
	t := table(w)
	say(t, "SOURCE\tSTATE\tLINES/S\tEVENTS/S\tLAST LINE\tRECOGNISED\tUNREAD\n")
	for _, s := range v.Status.Sources {
		say(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, state(s.State), rate(v.LinesPerSecond, s.Name), rate(v.EventsPerSecond, s.Name),
			ago(s.LastLine, v.Status.Now), ago(s.LastRecognised, v.Status.Now), unread(s.Lag))
	}
	t.Flush()
	say(w, "\n")
}

// rate writes a rate, or that it is not known yet.
func rate(by map[string]float64, name string) string {
	r, known := by[name]
	if !known {
		return "-"
	}
	return fmt.Sprintf("%.1f", r)
}

// unread writes the bytes that a source has yet to read.
func unread(lag int64) string {
	switch {
	case lag < 0:
		return "-"
	case lag < 1<<10:
		return fmt.Sprintf("%d B", lag)
	case lag < 1<<20:
		return fmt.Sprintf("%d KiB", lag>>10)
	}
	return fmt.Sprintf("%d MiB", lag>>20)
}

func drawJails(w io.Writer, jails []control.JailStatus) {
	t := table(w)
	say(t, "JAIL\tBANS\tSO FAR\tHOSTS\tHOLDING\tAFTER BAN\tEVICTED\n")
	for _, j := range jails {
		say(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", j.Name, j.Bans, j.Banned, j.Hosts, j.Holding, j.AfterBan, j.Evicted)
	}
	t.Flush()
	say(w, "\n")
}

// barWidth is how long the bar of a host at its ban is.
const barWidth = 20

func drawNearest(w io.Writer, hosts []control.HostStatus) {
	if len(hosts) == 0 {
		return
	}
	say(w, "\n")
	t := table(w)
	say(t, "NEAREST TO A BAN\tJAIL\tFAILURES\tBANNED AT\t\n")
	for _, h := range hosts {
		full := int(min(h.Failures*barWidth/h.Allowed, barWidth))
		note := strings.Repeat("#", full) + strings.Repeat(".", barWidth-full)
		switch {
		case h.Held:
			note = "held back by the eclipse guard"
		case h.Ban != nil:
			note = "banned"
		}
		say(t, "%s\t%s\t%d\t%d\t%s\n", h.Prefix, h.Jail, h.Failures, h.Allowed, note)
	}
	t.Flush()
}

func drawLatest(w io.Writer, past []control.Past) {
	if len(past) == 0 {
		return
	}
	say(w, "\n")
	t := table(w)
	say(t, "LATEST\tDID\tPREFIX\tJAIL\tWHY\n")
	for _, p := range past {
		say(t, "%s\t%s\t%s\t%s\t%s\n", local(p.Time), p.Action, p.Prefix, p.Jail, shortWhy(p.Ban))
	}
	t.Flush()
}

// drawError shows why there is nothing to draw, and the cure, which stands in lines of
// its own.
func drawError(err error, s screen) safe {
	var b strings.Builder
	for line := range strings.SplitSeq(err.Error(), "\n") {
		for _, l := range s.wrap(line) {
			say(&b, "%s\n", l)
		}
	}
	return safe(b.String())
}

// fit cuts a frame to a screen and clears what stood behind each line. A
// control sequence takes no room.
func fit(frame safe, s screen) safe {
	lines := strings.Split(strings.TrimRight(string(frame), "\n"), "\n")
	if len(lines) >= s.rows {
		lines = lines[:s.rows-1]
	}
	for i, l := range lines {
		lines[i] = cutLine(l, s.columns) + "\x1b[K"
	}
	return safe(strings.Join(lines, "\n") + "\n")
}

// cutLine keeps the characters of a line that have room, and all sequences.
func cutLine(line string, columns int) string {
	var b strings.Builder
	used, inSequence := 0, false
	for _, r := range line {
		switch {
		case inSequence:
			inSequence = r != 'm' // which ends a colour
		case r == '\x1b':
			inSequence = true
		default:
			if used++; used > columns {
				continue
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
