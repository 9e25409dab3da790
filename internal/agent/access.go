package agent

import "golang.org/x/sys/unix"

// access tells whether this process may make files in dir.
func access(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }
