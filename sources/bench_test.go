package sources

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nxadm/tail"
)

// benchLine is as long as a usual canonical line.
var benchLine = strings.Repeat("x", 190) + "\n"

func BenchmarkReadFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "n.log")
	const lines = 200_000
	if err := os.WriteFile(path, []byte(strings.Repeat(benchLine, lines)), 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(lines * len(benchLine)))
	for b.Loop() {
		n := 0
		for batch, err := range ReadFile(path) {
			if err != nil {
				b.Fatal(err)
			}
			n += len(batch.Lines)
		}
		if n != lines {
			b.Fatalf("%d lines", n)
		}
	}
	b.ReportMetric(float64(lines*b.N)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkBacklog is how fast a file that is followed is caught up with.
func BenchmarkBacklog(b *testing.B) {
	path := filepath.Join(b.TempDir(), "n.log")
	const lines = 200_000
	if err := os.WriteFile(path, []byte(strings.Repeat(benchLine, lines)), 0o644); err != nil {
		b.Fatal(err)
	}
	rate := func(b *testing.B) { b.ReportMetric(float64(lines*b.N)/b.Elapsed().Seconds(), "lines/s") }
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			src, err := NewFile(FileOptions{Patterns: []string{path}, FromStart: true})
			if err != nil {
				b.Fatal(err)
			}
			out := make(chan Batch)
			go src.Run(b.Context(), out)
			for n := 0; n < lines; {
				b := <-out
				n += len(b.Lines) + strings.Count(b.Text, "\n")
				b.Release()
			}
		}
		rate(b)
	})
	b.Run("nxadm", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f, err := tail.TailFile(path, tail.Config{Follow: true, CompleteLines: true, Logger: tail.DiscardingLogger})
			if err != nil {
				b.Fatal(err)
			}
			for range lines {
				<-f.Lines
			}
			if err := f.Stop(); err != nil {
				b.Fatal(err)
			}
		}
		rate(b)
	})
}

// BenchmarkLatency is the time from a write to an idle log until its line is
// here; a line is written when the one before it has come.
func BenchmarkLatency(b *testing.B) {
	run := func(b *testing.B, w io.Writer, next func()) {
		for b.Loop() {
			if _, err := io.WriteString(w, benchLine); err != nil {
				b.Fatal(err)
			}
			next()
		}
	}
	for _, name := range []string{"ours", "nxadm"} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "n.log")
			w, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close()
			if name == "ours" {
				src, err := NewFile(FileOptions{Patterns: []string{path}})
				if err != nil {
					b.Fatal(err)
				}
				out := make(chan Batch)
				go src.Run(b.Context(), out)
				<-out
				run(b, w, func() { b := <-out; b.Release() })
				return
			}
			f, err := tail.TailFile(path, tail.Config{Follow: true, CompleteLines: true, Logger: tail.DiscardingLogger})
			if err != nil {
				b.Fatal(err)
			}
			run(b, w, func() { <-f.Lines })
			if err := f.Stop(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkIdle reports what following costs while nothing is written, in
// percent of one core, by the number of files.
func BenchmarkIdle(b *testing.B) {
	for _, files := range []int{1, 100} {
		b.Run(fmt.Sprint(files), func(b *testing.B) {
			dir := b.TempDir()
			for i := range files {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("n%d.log", i)), []byte(benchLine), 0o644); err != nil {
					b.Fatal(err)
				}
			}
			src, err := NewFile(FileOptions{Patterns: []string{filepath.Join(dir, "*.log")}})
			if err != nil {
				b.Fatal(err)
			}
			out := make(chan Batch)
			go src.Run(b.Context(), out)
			<-out
			before, began := cpuTime(b), time.Now()
			for b.Loop() {
				time.Sleep(3 * time.Second)
			}
			b.ReportMetric(100*(cpuTime(b)-before).Seconds()/time.Since(began).Seconds(), "%core")
		})
	}
}

// cpuTime is what this process has used.
func cpuTime(b testing.TB) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
