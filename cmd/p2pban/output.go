package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// output is standard output, and the first error of writing to it: most commands
// print without looking.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// complete gives how a command ended that itself ended with err: not well when
// what it printed is not all there, for a program that reads it would take a part
// for the whole.
func (o *output) complete(err error) error {
	var silent silentError
	if o.err == nil || err != nil && !errors.Is(err, o.err) && !errors.As(err, &silent) {
		return err
	}
	return fmt.Errorf("the output is not complete: %w", o.err)
}

// terminal is the terminal that is printed to, or nil.
func terminal(w io.Writer) *os.File {
	if o, ok := w.(*output); ok {
		w = o.w
	}
	if f, ok := w.(*os.File); ok && isTerminal(f) {
		return f
	}
	return nil
}

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

// untilEnd writes the end of a ban within a sentence.
func untilEnd(t *time.Time) string {
	if t == nil {
		return until(t)
	}
	return "until " + until(t)
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

// safe is text that may go to a terminal as it is: ours, or through printable.
type safe string

// say prints to people, as fmt.Fprintf does. Much of what is printed was
// written by strangers: log lines by the node's peers, names of files by other
// users of this machine. So every argument goes through printable, but for
// those of type safe: nobody can write to the operator's terminal, nor make a
// row or a column of his own.
func say(w io.Writer, format string, args ...any) (int, error) {
	for i, arg := range args {
		switch arg := arg.(type) {
		case safe, nil:
		case error:
			args[i] = printable(arg.Error())
		case fmt.Stringer:
			args[i] = printable(arg.String())
		default:
			if v := reflect.ValueOf(arg); v.Kind() == reflect.String {
				args[i] = printable(v.String())
			}
		}
	}
	return fmt.Fprintf(w, format, args...)
}

// printable shows a text on one line: what a terminal would act on (control
// characters, C1 ones too, and those that turn the direction of writing) as Go
// writes it in a string, a tab as a space.
func printable(s string) string {
	if !strings.ContainsFunc(s, notPrintable) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && s[i] != "\uFFFD"[0]:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\t':
			b.WriteByte(' ')
		case notPrintable(r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func notPrintable(r rune) bool { return !strconv.IsPrint(r) }

// indent prints a text of several lines, with by before every line but the
// first.
func indent(s, by string) safe {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return safe(strings.Join(lines, "\n"+by))
}

// plural writes "1 ban", "2 bans".
func plural[N int | int64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// table writes aligned columns, separated in the input by tabs.
func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 8, 2, ' ', 0) }

// printJSON writes one value on one line. JSON asks only for the first 32
// characters to be escaped; here all are that a terminal would act on, which
// can stand in its strings only.
func printJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	line := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if bytes.ContainsFunc(line, notPrintable) {
		line = escapeJSON(line)
	}
	_, err := w.Write(append(line, '\n'))
	return err
}

func escapeJSON(line []byte) []byte {
	var out []byte
	for _, r := range string(line) {
		if !notPrintable(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}
