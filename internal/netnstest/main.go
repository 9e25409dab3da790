// Package netnstest gives tests network namespaces of their own, so that
// kernel firewall tests need neither root nor a machine to themselves.
//
// A test binary runs itself again inside a fresh network namespace:
//
//	func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }
//
// As root that is a plain network namespace; otherwise it comes with a user
// namespace in which the test is root. Inside, loopback is up and nothing else
// exists. New and Veth add hosts around it. It is for tests only and never
// touches the namespace the test binary was started in.
package netnstest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

// insideEnv marks the second run of the test binary. failedEnv carries the
// reason why there is no namespace.
const (
	insideEnv = "P2PBAN_NETNSTEST"
	failedEnv = "P2PBAN_NETNSTEST_FAILED"
)

// Runner is what Main needs of a *testing.M.
type Runner interface{ Run() int }

// Main runs the tests of m inside a fresh network namespace and returns the
// exit code. Where the system refuses one, the tests run outside and those
// that call Require skip with the reason (or fail, when CI=true).
//
// For a TestMain built on testscript.Main pass Wrap(m) to it instead, so that
// the commands a script runs stay in the namespace of the script.
func Main(m Runner) int { return Wrap(m).Run() }

// Wrap returns a Runner whose Run is Main.
func Wrap(m Runner) Runner { return wrapped{m} }

type wrapped struct{ m Runner }

func (w wrapped) Run() int {
	if os.Getenv(insideEnv) != "" {
		if err := prepare(); err != nil {
			fmt.Fprintln(os.Stderr, "netnstest: preparing the namespace:", err)
			return 1
		}
		return w.m.Run()
	}
	code, err := reexec()
	if err != nil {
		os.Setenv(failedEnv, err.Error())
		return w.m.Run()
	}
	return code
}

// Require skips the test when it does not run inside a namespace made by Main,
// and fails it instead when CI=true.
func Require(t testing.TB) {
	t.Helper()
	if os.Getenv(insideEnv) != "" {
		return
	}
	why := os.Getenv(failedEnv)
	if why == "" {
		why = "TestMain does not call netnstest.Main"
	}
	Skip(t, "no network namespace: "+why)
}

// Skip skips the test with a reason, and fails it instead when CI=true.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("skipping is not allowed when CI=true: %s", why)
	}
	t.Skip(why)
}

// LookPath returns the path of a program the test needs, and skips (or fails,
// when CI=true) where it is not installed. The sbin directories, which the
// PATH of an ordinary user lacks, are searched as well.
func LookPath(t testing.TB, program string) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path
		}
	}
	Skip(t, program+" is not installed")
	return ""
}

// reexec runs this binary again with the same arguments in new namespaces.
// The error says that no namespace could be had; nothing has run then.
func reexec() (code int, err error) {
	// The parent-death signal belongs to the thread that forked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	signals := make(chan os.Signal, 4) // room for one of each while the child starts
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	defer signal.Stop(signals)

	var attempts []error
	for _, attr := range attributes() {
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Args[0] = os.Args[0]
		cmd.Env = append(os.Environ(), insideEnv+"=1")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.SysProcAttr = attr
		if err := cmd.Start(); err != nil {
			attempts = append(attempts, err)
			continue
		}
		return wait(cmd, signals), nil
	}
	return 0, errors.Join(attempts...)
}

// attributes lists the ways to get a namespace, the preferred one first.
func attributes() []*syscall.SysProcAttr {
	user := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	if os.Getuid() != 0 {
		return []*syscall.SysProcAttr{user}
	}
	root := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	return []*syscall.SysProcAttr{root, user}
}

// wait hands signals on to the child (go test ends a test that takes too long
// with SIGQUIT, which the child must get to print its goroutines).
func wait(cmd *exec.Cmd, signals <-chan os.Signal) int {
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-signals:
				cmd.Process.Signal(s)
			case <-done:
				return
			}
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "netnstest:", err)
	return 1
}

func prepare() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	// A test that starts this binary with fewer rights finds it up already.
	if lo.Attrs().Flags&net.FlagUp == 0 {
		if err := netlink.LinkSetUp(lo); err != nil {
			return fmt.Errorf("loopback up: %w", err)
		}
	}
	// The default lock file is writable for the real root only.
	return os.Setenv("XTABLES_LOCKFILE", filepath.Join(os.TempDir(), fmt.Sprintf("p2pban-test-xtables.%d.lock", os.Getuid())))
}
