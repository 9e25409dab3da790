package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// journalUnit is the unit that our lines are logged as.
const journalUnit = "node.service"

// journald is a systemd-journald of our own, in a mount namespace where /etc
// and /run are ours, and in a cgroup namespace, so that it believes the unit
// that a stream names.
type journald struct {
	*process
	run, files string
}

const journaldConf = "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitIntervalSec=1s\nRateLimitBurst=1000000\n"

func startJournald(dir string) (*journald, error) {
	const program = "/lib/systemd/systemd-journald"
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("needs %s (apt install systemd)", program)
	}
	for name, text := range map[string]string{
		"etc/machine-id": "0123456789abcdef0123456789abcdef\n", "etc/passwd": "root:x:0:0::/:/bin/sh\n", "etc/group": "root:x:0:\n",
		"etc/nsswitch.conf": "passwd: files\ngroup: files\n", "etc/systemd/journald.conf": journaldConf, "run/.keep": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(dir, "notify")})
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	script := `mount --make-rprivate / && mount --bind "$0/etc" /etc && mount --bind "$0/run" /run && exec ` + program
	p := &process{cmd: exec.Command("sh", "-c", script, dir), ended: make(chan struct{}), log: filepath.Join(dir, "out")}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWCGROUP}
	p.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	buf := make([]byte, 4096)
	err = p.until("journald's start", 20*time.Second, func() bool {
		_ = ready.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // of an open socket
		n, err := ready.Read(buf)
		return err == nil && strings.Contains(string(buf[:n]), "READY=1")
	})
	if err != nil {
		p.kill()
		return nil, err
	}
	return &journald{p, filepath.Join(dir, "run"), filepath.Join(dir, "run/log/journal")}, nil
}

// stream connects to journald as systemd connects the standard output of a
// service: each Write is one write(2), each line an entry.
func (j *journald) stream() (*os.File, error) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: filepath.Join(j.run, "systemd/journal/stdout")})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	// identifier, unit, priority, then four switches, which are off.
	header := "node\n" + journalUnit + "\n6\n0\n0\n0\n0\n"
	us := &syscall.Ucred{Pid: int32(os.Getpid()), Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	if _, _, err := c.WriteMsgUnix([]byte(header), syscall.UnixCredentials(us), nil); err != nil {
		return nil, err
	}
	f, err := c.File()
	if err != nil {
		return nil, err
	}
	// What is written before the name is read is believed of no unit.
	err = j.until("journald to read the name of a stream", 20*time.Second, func() bool {
		unread, err := unix.IoctlGetInt(int(f.Fd()), unix.SIOCOUTQ)
		return err == nil && unread == 0
	})
	return f, err
}
