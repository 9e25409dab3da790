package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// tool is one program that is compared.
type tool struct {
	Name    string
	Version string
	// args is its command; run measures what is more than a command.
	args func(log string) []string
	run  func(log, dir string) (usage, error)
	// slow tools are run once, on the first slowLines lines.
	slow bool
}

const slowLines = 50_000

// filter is the one for fail2ban that reads nearest to what p2pban reads.
const filter = "../../testdata/fail2ban/anchored.conf"

// usage is what one run took.
type usage struct {
	cpu, wall time.Duration
	rss       int64 // bytes
}

// installed gives the tools that are there, and the names of those that are not.
func installed(p2pban string) (tools []tool, missing []string) {
	all := []tool{
		{Name: "p2pban dry-run", Version: "version", args: func(log string) []string { return []string{p2pban, "dry-run", log} }},
		{Name: "grep -cF", Version: "--version", args: func(log string) []string { return []string{"grep", "-cF", "CANONICAL_", log} }},
		{Name: "wc -l", Version: "--version", args: func(log string) []string { return []string{"wc", "-l", log} }},
		{Name: "ripgrep", Version: "--version", args: func(log string) []string { return []string{"rg", "-cF", "-j1", "CANONICAL_", log} }},
		{Name: "fail2ban-regex", Version: "--version", slow: true, args: func(log string) []string {
			return []string{"fail2ban-regex", log, filter}
		}},
		{Name: "fail2ban", Version: "--version", slow: true, args: func(string) []string { return []string{"fail2ban-server"} }, run: runFail2ban},
		{Name: "CrowdSec", Version: "-version", slow: true, args: func(string) []string { return []string{"crowdsec"} }, run: runCrowdSec},
	}
	for _, t := range all {
		name := t.args("")[0]
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, t.Name)
			continue
		}
		t.Version = version(name, t.Version)
		tools = append(tools, t)
	}
	return tools, missing
}

// version is the first line with a number of what a program says of itself.
func version(name, flag string) string {
	out, _ := exec.Command(name, flag).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.ContainsAny(line, "0123456789") {
			if _, after, ok := strings.Cut(line, "version: "); ok {
				line = after // CrowdSec puts the time before it
			}
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// usageOf lets a tool read a log; dir is for what it needs besides.
func usageOf(t tool, log, dir string) (usage, error) {
	if t.run != nil {
		return t.run(log, dir)
	}
	return measure(t.args(log), filepath.Join(dir, "output"))
}

// measure runs a command on one processor and waits for it. Its output goes to
// a file: grep stops at the first match when it is sent to /dev/null.
func measure(args []string, out string) (usage, error) {
	f, err := os.Create(out)
	if err != nil {
		return usage{}, err
	}
	defer f.Close()
	cmd := exec.Command("taskset", append([]string{"-c", "1", "nice", "-n", "5"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = f, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return usage{}, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	ru := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return usage{
		cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		wall: time.Since(began), rss: ru.Maxrss << 10,
	}, nil
}

// median takes each figure's median over the runs; of the memory the largest.
func median(runs []usage) usage {
	middle := func(f func(usage) time.Duration) time.Duration {
		var d []time.Duration
		for _, u := range runs {
			d = append(d, f(u))
		}
		slices.Sort(d)
		return d[len(d)/2]
	}
	m := usage{
		cpu:  middle(func(u usage) time.Duration { return u.cpu }),
		wall: middle(func(u usage) time.Duration { return u.wall }),
	}
	for _, u := range runs {
		m.rss = max(m.rss, u.rss)
	}
	return m
}
