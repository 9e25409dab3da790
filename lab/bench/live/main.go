// Command live measures p2pban at work: the time from the write() of a line to
// the ban in the kernel, beside other programs that ban by logs, how fast a log
// is followed and caught up with, a flood, and what watching costs.
//
//	go run ./live -p2pban ../../p2pban [-static PROGRAM] [-only latency,follow] [-write ../../docs/performance-live.md]
//
// It needs root: it moves into a network namespace of its own, so that nothing
// it does reaches the machine's firewall, and starts a journald of its own.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// inside is set in the environment of the copy that runs in the namespaces.
const inside = "P2PBAN_LIVE_INSIDE"

// setup is what the sections share.
type setup struct {
	p2pban, static string
	dir            string
	quick          bool
	banners        string // only these, or all
	monitor        *monitor
	hosts          hosts
	report         *report
}

// sections are what is measured, in this order.
var sections = []struct {
	name string
	run  func(*setup) error
}{
	{"latency", latency},
	{"follow", follow},
	{"flood", flood},
	{"growth", growth},
	{"idle", idle},
}

func main() {
	var s setup
	flag.StringVar(&s.p2pban, "p2pban", "p2pban", "the p2pban to measure")
	flag.StringVar(&s.static, "static", "", "a p2pban built without cgo, for what idling costs; none: not measured")
	flag.BoolVar(&s.quick, "quick", false, "a tenth of everything, to try it")
	flag.StringVar(&s.banners, "programs", "", "measure the latency of these only, separated by commas")
	only := flag.String("only", "", "sections, separated by commas")
	write := flag.String("write", "", "write the report into this file, and the plots beside it")
	flag.Parse()
	if os.Getenv(inside) == "" {
		os.Exit(enter())
	}
	goFirst()
	if err := measure(&s, *only, *write); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

// enter runs this program again in namespaces of its own.
func enter() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// A session of its own is a group of its own for the scheduler, see goFirst.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Setsid: true, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "live: a network namespace can't be made; run it as root:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

// goFirst asks for the processor before the other sessions of the machine, which
// nice alone does not where the kernel groups by session (sched(7), autogroup).
// All that is measured has it alike.
func goFirst() {
	_ = os.WriteFile("/proc/self/autogroup", []byte("-20"), 0) // where there is none, nice would do
}

func measure(s *setup, only, write string) (err error) {
	for _, program := range []*string{&s.p2pban, &s.static} {
		if strings.Contains(*program, "/") {
			if *program, err = filepath.Abs(*program); err != nil {
				return err
			}
		}
	}
	if s.dir, err = os.MkdirTemp("", "live"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	if s.monitor, err = newMonitor(); err != nil {
		return fmt.Errorf("listening to nftables: %w", err)
	}
	s.report = newReport(write)
	for _, sec := range sections {
		if only != "" && !slices.Contains(strings.Split(only, ","), sec.name) {
			continue
		}
		s.report.add("%s, %s, Linux %s, %d processors, load average %s.\n\n", time.Now().Format(time.DateOnly), runtime.Version(), kernel(), runtime.NumCPU(), load())
		if err := sec.run(s); err != nil {
			return fmt.Errorf("%s: %w", sec.name, err)
		}
		if err := s.report.save(sec.name); err != nil {
			return err
		}
	}
	return nil
}

func kernel() string {
	text, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}

// load is the load average of the last minute: who else was busy.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

// path makes a directory for one program and gives its name.
func (s *setup) path(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	return dir, os.MkdirAll(dir, 0o700)
}

// n is how many of something are measured.
func (s *setup) n(full int) int {
	if s.quick {
		return max(full/10, 3)
	}
	return full
}
