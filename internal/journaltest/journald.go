// Package journaltest gives tests real systemd journals: a private journald in
// namespaces of its own, and journal files written by systemd-journal-remote.
// It touches nothing of the machine's own journal and needs no root where user
// namespaces are allowed.
package journaltest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	journaldPath = "/lib/systemd/systemd-journald"
	remotePath   = "/lib/systemd/systemd-journal-remote"
	machineID    = "0123456789abcdef0123456789abcdef"
	patience     = 20 * time.Second
)

// Journald is a running systemd-journald.
type Journald struct {
	t   testing.TB
	run string // its /run
	cmd *exec.Cmd
}

// Start starts a journald and ends it with the test. settings are lines of the
// [Journal] section of journald.conf(5), such as "RateLimitBurst=10"; without
// any there is no rate limit. The test is skipped where there is no journald,
// and fails instead when CI=true.
func Start(t testing.TB, settings ...string) *Journald {
	t.Helper()
	need(t, journaldPath, "systemd")
	// Not t.TempDir: the path of a socket has at most 107 bytes.
	dir, err := os.MkdirTemp("", "journald")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	writeEtc(t, filepath.Join(dir, "etc"), settings)
	j := &Journald{t: t, run: filepath.Join(dir, "run")}
	if err := os.Mkdir(j.run, 0o755); err != nil {
		t.Fatal(err)
	}
	j.start(dir)
	return j
}

// need skips (or, with CI=true, fails) a test that lacks a program.
func need(t testing.TB, program, debianPackage string) {
	t.Helper()
	if _, err := os.Stat(program); err == nil {
		return
	}
	text := fmt.Sprintf("needs %s (apt install %s)", program, debianPackage)
	if os.Getenv("CI") == "true" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// writeEtc makes an /etc with what journald looks for there.
func writeEtc(t testing.TB, etc string, settings []string) {
	t.Helper()
	files := map[string]string{
		"machine-id":    machineID + "\n",
		"passwd":        "root:x:0:0::/:/bin/sh\n",
		"group":         "root:x:0:\n",
		"nsswitch.conf": "passwd: files\ngroup: files\n",
		"systemd/journald.conf": "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\n" +
			"RateLimitIntervalSec=1s\nRateLimitBurst=1000000\n" + strings.Join(settings, "\n") + "\n",
	}
	if err := os.MkdirAll(filepath.Join(etc, "systemd"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// start runs journald in a mount namespace where /etc and /run are ours. In a
// cgroup namespace of its own it sees us in the root cgroup, which is no unit's,
// and believes the unit that the stream names.
func (j *Journald) start(dir string) {
	j.t.Helper()
	const script = `mount --bind "$0/etc" /etc && mount --bind "$0/run" /run && exec ` + journaldPath
	j.cmd = exec.Command("sh", "-c", script, dir)
	attr := &syscall.SysProcAttr{
		Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWCGROUP,
		Pdeathsig:    syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	j.cmd.SysProcAttr = attr
	var stderr strings.Builder
	j.cmd.Stderr = &stderr
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The parent of Pdeathsig is the thread: it must live as long as we do.
		runtime.LockOSThread()
		err := j.cmd.Start()
		started <- err
		if err == nil {
			_ = j.cmd.Wait() // killed below
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		j.t.Fatalf("starting journald in its own namespaces: %v", err)
	}
	j.t.Cleanup(func() { _ = j.cmd.Process.Kill(); <-ended })
	j.waitFor("journald to listen", func() bool {
		select {
		case <-ended:
			j.t.Fatalf("journald ended: %s", stderr.String())
		default:
		}
		c, err := net.Dial("unix", j.socket("stdout"))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (j *Journald) socket(name string) string {
	return filepath.Join(j.run, "systemd/journal", name)
}

func (j *Journald) waitFor(what string, ok func() bool) {
	j.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			j.t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// Directory is where its journal files are, as for journalctl --directory.
func (j *Journald) Directory() string { return filepath.Join(j.run, "log/journal") }

// Stream connects to journald as systemd connects the standard output of a
// service: what is written comes into the journal line by line.
func (j *Journald) Stream(unit, identifier string) io.WriteCloser {
	j.t.Helper()
	c, err := net.Dial("unix", j.socket("stdout"))
	if err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(func() { c.Close() })
	// identifier, unit, priority, then four switches, which are off
	// (systemd, src/core/execute.c, connect_logger_as).
	if _, err := fmt.Fprintf(c, "%s\n%s\n6\n0\n0\n0\n0\n", identifier, unit); err != nil {
		j.t.Fatal(err)
	}
	return c
}

// Send sends one entry by the native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL),
// whose fields may hold any bytes.
func (j *Journald) Send(fields ...string) {
	j.t.Helper()
	c, err := net.Dial("unixgram", j.socket("socket"))
	if err != nil {
		j.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(exportFields(fields)); err != nil {
		j.t.Fatal(err)
	}
}

// Rotate makes journald archive its files and begin new ones.
func (j *Journald) Rotate() { j.signal(syscall.SIGUSR2, "rotated") }

// Sync makes journald read all that was sent and write it to its files.
func (j *Journald) Sync() { j.signal(sigRTMin+1, "synced") }

// sigRTMin is SIGRTMIN as the C library counts it; journald(8) names its
// signals by it.
const sigRTMin syscall.Signal = 34

// signal sends a signal and waits until journald has touched the file by which
// it says that it is done.
func (j *Journald) signal(sig syscall.Signal, flag string) {
	j.t.Helper()
	path := filepath.Join(j.run, "systemd/journal", flag)
	os.Remove(path)
	if err := j.cmd.Process.Signal(sig); err != nil {
		j.t.Fatal(err)
	}
	j.waitFor("journald to have "+flag, func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
}

// Vacuum deletes archived files until at most files are left.
func (j *Journald) Vacuum(files int) {
	j.t.Helper()
	cmd := exec.Command("journalctl", "--directory="+j.Directory(), fmt.Sprintf("--vacuum-files=%d", files))
	if out, err := cmd.CombinedOutput(); err != nil {
		j.t.Fatalf("%v: %s", err, out)
	}
}
