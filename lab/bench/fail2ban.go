package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// fail2ban's engine, unlike fail2ban-regex, counts and bans: a real server with
// one jail that bans without an action. The logs are of last January, so that
// findtime and bantime are long enough for it to count their lines at all.
const (
	fail2banConf = `[Definition]
loglevel = ERROR
logtarget = DIR/log
syslogsocket = auto
socket = DIR/socket
pidfile = DIR/pid
dbfile = None
dbpurgeage = 1d
allowipv6 = auto
`
	fail2banJail = `[bench]
enabled = true
filter = anchored
backend = polling
logpath = DIR/idle.log
findtime = 10y
bantime = 10y
maxretry = 9
action =
`
	// lastHost is banned by the lines that end the log: then all is read.
	lastHost = "198.51.100.99"
	lastLine = `time=2026-12-31T00:00:00.000Z level=INFO source=/x/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer="" addr=/ip4/` + lastHost + `/tcp/1 sample_rate=100 handshake_failure=tls err=EOF` + "\n"
	// engineLimit bounds how long it may take.
	engineLimit = 10 * time.Minute
)

// runFail2ban measures the server from when it is given the log, without its
// start, to when it has banned lastHost.
func runFail2ban(log, dir string) (usage, error) {
	dir = filepath.Join(dir, "fail2ban")
	if err := prepareFail2ban(dir, log); err != nil {
		return usage{}, err
	}
	client := func(args ...string) (string, error) {
		out, err := exec.Command("fail2ban-client", append([]string{"-c", dir, "-s", dir + "/socket", "-p", dir + "/pid"}, args...)...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("fail2ban-client %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return string(out), err
	}
	server := exec.Command("taskset", "-c", "1", "nice", "-n", "5", "fail2ban-server", "-c", dir, "-s", dir+"/socket", "-p", dir+"/pid", "-x", "-f", "start")
	if err := server.Start(); err != nil {
		return usage{}, err
	}
	defer server.Wait()
	defer server.Process.Kill()
	deadline := time.Now().Add(engineLimit)
	if err := until(deadline, func() bool {
		out, err := client("status", "bench")
		return err == nil && strings.Contains(out, "idle.log")
	}); err != nil {
		return usage{}, fmt.Errorf("fail2ban-server does not start: %w", err)
	}
	before, err := cpuOf(server.Process.Pid)
	if err != nil {
		return usage{}, err
	}
	began := time.Now()
	if _, err := client("set", "bench", "addlogpath", dir+"/read.log", "head"); err != nil {
		return usage{}, err
	}
	if err := until(deadline, func() bool { out, _ := client("get", "bench", "banip"); return strings.Contains(out, lastHost) }); err != nil {
		return usage{}, fmt.Errorf("fail2ban has not read the log: %w", err)
	}
	u := usage{wall: time.Since(began), rss: peakOf(server.Process.Pid)}
	after, err := cpuOf(server.Process.Pid)
	u.cpu = after - before
	return u, err
}

// prepareFail2ban writes a configuration, and the log with its end.
func prepareFail2ban(dir, log string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "filter.d"), 0o755); err != nil {
		return err
	}
	rules, err := os.ReadFile(filter)
	if err != nil {
		return err
	}
	if err := writeAll(dir, map[string]string{
		"filter.d/anchored.conf": string(rules), "fail2ban.conf": fail2banConf, "jail.conf": fail2banJail, "idle.log": "",
	}); err != nil {
		return err
	}
	// Not through memory: the peak of what this program starts is at least its own.
	from, err := os.Open(log)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(filepath.Join(dir, "read.log"))
	if err != nil {
		return err
	}
	defer to.Close()
	_, err = io.Copy(to, io.MultiReader(from, strings.NewReader(strings.Repeat(lastLine, 9))))
	return err
}

// writeAll writes files, in which DIR stands for dir.
func writeAll(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// until polls for something to come about.
func until(deadline time.Time, done func() bool) error {
	for !done() {
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v", engineLimit)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// cpuOf is what a process has used (proc(5): utime and stime, in 1/100 s).
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, b)
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}

// peakOf is the most memory a process has held, in bytes; 0 when unknown.
func peakOf(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(b), "VmHWM:")
	var kib int64
	fmt.Sscan(after, &kib)
	return kib << 10
}
