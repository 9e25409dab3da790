package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report collects what is measured, and says it at once as well: a whole run
// takes a quarter of an hour.
type report struct {
	text strings.Builder
	path string // empty: print only
}

func newReport(path string) *report { return &report{path: path} }

func (r *report) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.text.WriteString(text)
	fmt.Print(text)
}

// save puts what was added since the last call into the report, between the
// marks of that section; the rest of it is written by people.
func (r *report) save(section string) error {
	text := r.text.String()
	r.text.Reset()
	if r.path == "" {
		return nil
	}
	old, err := os.ReadFile(r.path)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+section+": written by lab/bench/live -->\n", "<!-- end of "+section+" -->"
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		return fmt.Errorf("%s has no place for the section %s", r.path, section)
	}
	return os.WriteFile(r.path, []byte(before+begin+"\n"+text+"\n"+end+after), 0o644)
}

// plot draws distributions beside the report.
func (r *report) plot(name, title string, a axes, curves []curve) error {
	if len(curves) == 0 {
		return nil
	}
	return r.draw(name, title, func(path string) error { return drawCDF(path, title, a, curves) })
}

// draw has a plot written beside the report, and shows it there.
func (r *report) draw(name, title string, draw func(path string) error) error {
	if r.path == "" {
		return nil
	}
	file := strings.TrimSuffix(r.path, ".md") + "-" + name + ".svg"
	if err := draw(file); err != nil {
		return err
	}
	r.add("![%s](%s)\n", title, filepath.Base(file))
	return nil
}

// ms writes a duration in milliseconds, with as many digits as it is worth.
func ms(d time.Duration) string {
	v := float64(d) / float64(time.Millisecond)
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// mib writes bytes in MiB.
func mib(b int64) string { return fmt.Sprintf("%.1f", float64(b)/(1<<20)) }
