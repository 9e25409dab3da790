// Command bench makes logs, lets p2pban's dry run and other programs read them
// in turn on one processor, and prints what each took beside one pass of grep.
//
//	go run . -p2pban ../../p2pban -dir DIR [-write ../../docs/performance-figures.md]
//
// The logs are the same bytes each time and are kept in DIR.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	p2pban := flag.String("p2pban", "p2pban", "the p2pban to measure")
	dir := flag.String("dir", "", "where the logs are kept (3 GB)")
	rounds := flag.Int("rounds", 5, "how often each program reads each log")
	lines := flag.Int("lines", 1_000_000, "lines of each log")
	only := flag.String("only", "", "names of logs, separated by commas")
	write := flag.String("write", "", "write the tables into this file too")
	flag.Parse()
	if *dir == "" {
		fmt.Fprintln(os.Stderr, "bench: say with -dir where the logs go")
		os.Exit(2)
	}
	if err := report(*p2pban, *dir, *only, *write, *rounds, *lines); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// report prints the tables, and writes them and the plot if asked to.
func report(p2pban, dir, only, write string, rounds, lines int) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	var (
		out strings.Builder
		r   ratios
	)
	if write != "" {
		fmt.Fprintf(&out, "<!-- written by lab/bench; do not edit -->\n\n![CPU of each program on each log, as a multiple of grep's](%s)\n\n", filepath.Base(plotPath(write)))
	}
	if err := bench(&out, &r, p2pban, dir, only, rounds, lines); err != nil {
		return err
	}
	fmt.Print(out.String())
	if write == "" {
		return nil
	}
	if err := r.save(plotPath(write)); err != nil {
		return err
	}
	return os.WriteFile(write, []byte(out.String()), 0o644)
}

func bench(out *strings.Builder, r *ratios, p2pban, dir, only string, rounds, lines int) error {
	tools, missing := installed(p2pban)
	fmt.Fprintf(out, "%s, %d lines a log, medians of %d rounds.\n\n", time.Now().Format(time.DateOnly), lines, rounds)
	for _, t := range tools {
		fmt.Fprintf(out, "- %s: %s\n", t.Name, t.Version)
	}
	if len(missing) > 0 {
		fmt.Fprintf(out, "- not installed here: %s\n", strings.Join(missing, ", "))
	}
	fmt.Fprintf(out, "\n| log | program | CPU ÷ grep | wall ÷ grep | CPU s | lines/CPU s | peak MiB |\n|---|---|---|---|---|---|---|\n")
	for _, w := range workloads(lines) {
		if only != "" && !strings.Contains(","+only+",", ","+w.Name+",") {
			continue
		}
		if err := compare(out, r, tools, w, dir, rounds); err != nil {
			return err
		}
	}
	return nil
}

// compare runs all tools on one workload, in turn in each round, so that what
// else the machine does falls on all alike.
func compare(out *strings.Builder, r *ratios, tools []tool, w workload, dir string, rounds int) error {
	log := filepath.Join(dir, w.Name+".log")
	short := w
	short.Lines = min(w.Lines, slowLines)
	slowLog := filepath.Join(dir, w.Name+"-short.log")
	for path, w := range map[string]workload{log: w, slowLog: short} {
		if err := w.write(path); err != nil {
			return err
		}
	}
	runs := map[string][]usage{}
	for round := range rounds {
		for _, t := range tools {
			path := log
			if t.slow {
				if path = slowLog; round > 0 || w.Format != "slog" {
					continue
				}
			}
			u, err := usageOf(t, path, dir)
			if err != nil {
				return err
			}
			runs[t.Name] = append(runs[t.Name], u)
		}
	}
	grep := median(runs["grep -cF"])
	for _, t := range tools {
		if len(runs[t.Name]) == 0 {
			continue
		}
		u, n := median(runs[t.Name]), float64(w.Lines)
		if t.slow {
			n = float64(short.Lines)
		}
		// A slow tool read a part of the log: its ratio is by line.
		share := float64(w.Lines) / n
		r.add(w.Name, t.Name, share*float64(u.cpu)/float64(grep.cpu))
		fmt.Fprintf(out, "| %s | %s | %.2f | %.2f | %.3f | %.0f | %d |\n", w.Name, t.Name,
			share*float64(u.cpu)/float64(grep.cpu), share*float64(u.wall)/float64(grep.wall), u.cpu.Seconds(), n/u.cpu.Seconds(), u.rss>>20)
	}
	return nil
}
