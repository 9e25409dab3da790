package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a program that is measured.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
	log   string        // its standard error
}

// start starts a program whose output goes to a file in dir; env is what is set
// beside our own environment.
func start(dir string, env []string, argv ...string) (*process, error) {
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), ended: make(chan struct{}), log: filepath.Join(dir, filepath.Base(argv[0])+".out")}
	p.cmd.Env = append(os.Environ(), env...)
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the program, and kills it if it takes too long.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.kill()
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// until asks again and again, until ok or the program has ended.
func (p *process) until(what string, patience time.Duration, ok func() bool) error {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s: it ended; see %s", what, p.log)
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s: waited %s in vain; see %s", what, patience, p.log)
		}
	}
}

// cpu is what the program has used, user and system, by its processor clock;
// clock_getcpuclockid(3).
func (p *process) cpu() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(^int32(p.pid())<<3|2, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// memory is a field of /proc/PID/status in bytes: VmRSS, VmHWM.
func (p *process) memory(field string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// p2pban is a running daemon.
type p2pban struct {
	*process
	dir    string
	client *http.Client
}

// told reports whether the daemon has logged the ban of a host among its last
// lines, which it does when the ban and all before it are saved.
func (d *p2pban) told(host netip.Addr) bool {
	return d.said(fmt.Sprintf("msg=ban jail=measured prefix=%s/32 ", host))
}

// said reports whether the end of the daemon's log holds a text.
func (d *p2pban) said(text string) bool {
	log, err := os.Open(d.log)
	if err != nil {
		return false
	}
	defer log.Close()
	end := make([]byte, 64<<10)
	if info, err := log.Stat(); err == nil {
		_, _ = log.Seek(max(0, info.Size()-int64(len(end))), io.SeekStart) // without it nothing is found
	}
	n, _ := io.ReadFull(log, end)
	return bytes.Contains(end[:n], []byte(text))
}

// status is what is read of its answer.
type status struct {
	Lines, Events int64
	Bans          int
	Alarms        []struct{ Kind, What string }
	Sources       []struct {
		Name, State string
		Lag         int64 `json:"lag_bytes"`
	}
	Jails []struct {
		Name                        string
		Hosts                       int
		Banned, Held, Evicted, Late int64
		AfterBan                    int64 `json:"after_ban"`
		Holding, Bans               int
	}
	Firewall struct {
		Healthy bool
		Waiting int
		Applied int64
		Error   string
	}
}

const jailToml = `[jail.measured]
rules = ["go-libp2p/*"]
findtime = "3m"
maxretry = %d
bantime = "1h"
guard = false
%s
`

// startP2pban runs a daemon in dir with these sources; more are lines of the jail.
func startP2pban(program, dir, sources, more string, env ...string) (*p2pban, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	socket, config := filepath.Join(dir, "sock"), filepath.Join(dir, "p2pban.toml")
	text := sources + fmt.Sprintf(jailToml, maxretry, more) +
		fmt.Sprintf("[firewall]\nbackend = \"nftables\"\n[daemon]\nsocket = %q\nstate = %q\n", socket, filepath.Join(dir, "state.db"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := start(dir, env, program, "run", "--config", config)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	d := &p2pban{process: p, dir: dir, client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
	err = p.until("p2pban's start", time.Minute, func() bool {
		s, err := d.status()
		return err == nil && s.Firewall.Healthy && d.said("msg=watching ") // only what is written from then on is sure to be read
	})
	if err != nil {
		p.stop()
		return nil, err
	}
	return d, nil
}

// status asks over the control socket, as `p2pban status` does.
func (d *p2pban) status() (*status, error) {
	r, err := d.client.Get("http://p2pban/v1/status")
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, errors.New(r.Status)
	}
	var s status
	return &s, json.NewDecoder(r.Body).Decode(&s)
}

func fileSource(path string) string {
	return fmt.Sprintf("[source.log]\nfile = %q\n", path)
}

// usage is what a program and those it started use.
type usage struct {
	cpu time.Duration
	rss int64
}

// group adds up the program and its children (without cgo, journalctl is one).
func (p *process) group() (u usage) {
	u = usage{p.cpu(), p.memory("VmRSS")}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.pid()))
	for _, path := range tasks {
		text, _ := os.ReadFile(path)
		for _, child := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(child); err == nil {
				c := &process{cmd: &exec.Cmd{Process: &os.Process{Pid: pid}}}
				u.cpu += c.cpu()
				u.rss += c.memory("VmRSS")
			}
		}
	}
	return u
}
