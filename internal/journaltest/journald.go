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

	"golang.org/x/sys/unix"
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
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(dir, "notify")})
	if err != nil {
		j.t.Fatal(err)
	}
	defer ready.Close()
	j.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
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
	// It listens before it is ready; a signal in between would end it.
	buf := make([]byte, 4096)
	j.waitFor("journald to be ready", func() bool {
		select {
		case <-ended:
			j.t.Fatalf("journald ended: %s", stderr.String())
		default:
		}
		_ = ready.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // of an open socket
		n, err := ready.Read(buf)
		return err == nil && strings.Contains(string(buf[:n]), "READY=1")
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
	return j.Streams(unit, identifier, 1)[0]
}

// Streams is Stream for several processes that write to one standard output.
//
// What is written goes through a process of its own (cat), for journald holds
// that all one process writes belongs to one unit.
func (j *Journald) Streams(unit, identifier string, processes int) []io.WriteCloser {
	j.t.Helper()
	stdout := j.connect(unit, identifier)
	defer stdout.Close()
	var streams []io.WriteCloser
	for range processes {
		cat := exec.Command("cat")
		cat.Stdout = stdout
		in, err := cat.StdinPipe()
		if err != nil {
			j.t.Fatal(err)
		}
		if err := cat.Start(); err != nil {
			j.t.Fatal(err)
		}
		// It ends with its input, or when journald has ended.
		j.t.Cleanup(func() { in.Close(); _ = cat.Wait() })
		streams = append(streams, in)
	}
	return streams
}

// connect opens a stream and names it. The credentials are sent along, and
// nothing after them before they are read: what is sent between journald's
// accept and its asking for credentials has none, and is believed of no unit.
func (j *Journald) connect(unit, identifier string) *os.File {
	j.t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: j.socket("stdout")})
	if err != nil {
		j.t.Fatal(err)
	}
	defer c.Close()
	// identifier, unit, priority, then four switches, which are off
	// (systemd, src/core/execute.c, connect_logger_as).
	header := fmt.Sprintf("%s\n%s\n6\n0\n0\n0\n0\n", identifier, unit)
	us := &syscall.Ucred{Pid: int32(os.Getpid()), Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	if _, _, err := c.WriteMsgUnix([]byte(header), syscall.UnixCredentials(us), nil); err != nil {
		j.t.Fatal(err)
	}
	f, err := c.File()
	if err != nil {
		j.t.Fatal(err)
	}
	j.waitFor("journald to read the name of a stream", func() bool {
		unread, err := unix.IoctlGetInt(int(f.Fd()), unix.SIOCOUTQ)
		return err == nil && unread == 0
	})
	return f
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

// Sync makes journald write what it has read to its files.
func (j *Journald) Sync() { j.signal(sigRTMin+1, "synced") }

// Wait waits until the journal holds n entries of a unit.
func (j *Journald) Wait(unit string, n int) {
	j.t.Helper()
	j.waitFor(fmt.Sprintf("%d entries of %s", n, unit), func() bool {
		out, err := exec.Command("journalctl", "--quiet", "--directory="+j.Directory(),
			"--output=export", "--output-fields=_TRANSPORT", "_SYSTEMD_UNIT="+unit).Output()
		return err == nil && strings.Count(string(out), "__CURSOR=") == n
	})
}

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
