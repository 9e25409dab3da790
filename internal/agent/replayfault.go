package agent

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/p2pban/p2pban/sources"
)

// isFault tells whether a panic is that of somebody who looked at a part of a
// mapped file that could not be read.
func isFault(panicked any) bool {
	fault, ok := panicked.(interface {
		runtime.Error
		Addr() uintptr
	})
	return ok && fault.Addr() != 0
}

// faultError says which of the captures can't be read.
func faultError(captures []Capture) error {
	var names []string
	for _, c := range captures {
		if info, err := os.Stat(c.Name); err == nil && info.Size() < c.size {
			return fmt.Errorf("reading %s: %w", c.Name, sources.ErrTruncated)
		}
		names = append(names, c.Name)
	}
	return fmt.Errorf("reading %s: a part could not be read: the disk gives errors, or the file was truncated meanwhile", strings.Join(names, ", "))
}
