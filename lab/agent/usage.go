package agent

import (
	"os"
	"syscall"
)

// UsageOf tells what a program that has ended used, together with those of its
// children that it waited for.
func UsageOf(state *os.ProcessState) Usage {
	u := Usage{CPU: state.UserTime() + state.SystemTime()}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.MaxBytes = r.Maxrss * 1024 // getrusage(2): in kilobytes
	}
	return u
}
