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

func (r *report) save() error {
	if r.path == "" {
		return nil
	}
	return os.WriteFile(r.path, []byte(r.text.String()), 0o644)
}

// plot draws distributions beside the report.
func (r *report) plot(name, title string, curves []curve) error {
	if r.path == "" || len(curves) == 0 {
		return nil
	}
	file := strings.TrimSuffix(r.path, ".md") + "-" + name + ".svg"
	if err := drawCDF(file, title, curves); err != nil {
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
