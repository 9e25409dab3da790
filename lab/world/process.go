package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/vishvananda/netns"

	"github.com/p2pban/p2pban/internal/netnstest"
)

// stopPatience is how long a program has to end by itself when asked to.
const stopPatience = 20 * time.Second

// Process is a program that runs in a namespace of the world.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait, once ended
}

// Start starts cmd in a namespace. The program ends with the world at the
// latest.
func (w *World) Start(ns *netnstest.NS, cmd *exec.Cmd) (*Process, error) {
	if err := w.starter.start(ns, cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Pid is the program's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Wait waits until the program ends and gives its error, as exec.Cmd.Wait.
func (p *Process) Wait() error {
	<-p.ended
	return p.err
}

// Stop asks the program to end (SIGTERM), waits for that, and tells what it
// used, its waited-for children included. Ending by the signal is no error.
func (p *Process) Stop() (*os.ProcessState, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return nil, err
	}
	select {
	case <-p.ended:
	case <-time.After(stopPatience):
		_ = p.cmd.Process.Kill() // it has ended by itself, or this ends it
		<-p.ended
		return p.cmd.ProcessState, fmt.Errorf("%s did not end within %s of SIGTERM", p.cmd.Path, stopPatience)
	}
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGTERM {
		return p.cmd.ProcessState, nil
	}
	return p.cmd.ProcessState, p.err
}

// starter is one thread that starts all programs. The kernel kills a program
// (Pdeathsig) when the thread that started it ends, so that thread lives as
// long as the world, and nothing outlives the lab even if that is killed.
type starter struct {
	requests chan func()
	gone     chan struct{}
}

func newStarter() starter {
	s := starter{make(chan func()), make(chan struct{})}
	go s.run()
	return s
}

func (s starter) run() {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	if syscall.Gettid() == syscall.Getpid() {
		// The main thread never ends, and shows its namespace as the process's.
		go s.run()
		<-s.gone
		runtime.UnlockOSThread()
		return
	}
	defer close(s.gone)
	for f := range s.requests {
		f()
	}
}

func (s starter) start(ns *netnstest.NS, cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	done := make(chan error)
	s.requests <- func() {
		err := netns.Set(netns.NsHandle(ns.Fd()))
		if err == nil {
			err = cmd.Start()
		}
		done <- err
	}
	return <-done
}

func (s starter) end() {
	close(s.requests)
	<-s.gone
}
