package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// tool is one program that is compared.
type tool struct {
	Name    string
	Version string
	args    func(log string) []string
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

func version(name, flag string) string {
	out, _ := exec.Command(name, flag).CombinedOutput()
	first, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(first)
}

// run runs a tool on one processor and waits for it. Its output goes to a
// file: grep stops at the first match when it is sent to /dev/null.
func run(t tool, log, out string) (usage, error) {
	f, err := os.Create(out)
	if err != nil {
		return usage{}, err
	}
	defer f.Close()
	args := t.args(log)
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
