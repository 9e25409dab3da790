package sources

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// openRegular opens a regular file to read. Whoever may write beside a log can
// put anything there under any name: opening a FIFO would wait for a writer that
// never comes, and a device may never end.
func openRegular(path string) (fd int, st unix.Stat_t, err error) {
	fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, st, fmt.Errorf("open %s: %w", path, err)
	}
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, st, fmt.Errorf("stat %s: %w", path, err)
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG {
		unix.Close(fd)
		return -1, st, &notRegularError{path: path, mode: kind}
	}
	return fd, st, nil
}
