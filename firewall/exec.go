package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// execTimeout bounds one run of a program. iptables waits for its lock only as
// long as lockSeconds.
const (
	execTimeout = time.Minute
	lockSeconds = "10"
)

// execute runs a program with the given standard input and returns its
// standard output. Errors carry the sentinels of this package.
func execute(ctx context.Context, stdin, program string, args ...string) (string, error) {
	path, err := lookProgram(program)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, execTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "LC_ALL=C") // messages are read below
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", programError(program, stderr.String(), err)
	}
	return stdout.String(), nil
}

// lookProgram finds a program in PATH or where system programs are, which the
// PATH of an ordinary user lacks.
func lookProgram(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: %s is not installed", ErrUnsupported, program)
}

// programError is the one place where the words of ipset and iptables are
// read. They come from ipset's lib/errcode.c and from iptables'
// iptables/{iptables,nft,xshared}.c.
func programError(program, stderr string, err error) error {
	said := strings.TrimSpace(stderr)
	if i := strings.Index(said, "\nTry `"); i >= 0 {
		said = strings.TrimSpace(said[:i])
	}
	said = strings.Join(strings.Fields(said), " ")
	if len(said) > maxSaid {
		said = said[:maxSaid] + "…"
	}
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(said, w) {
				return true
			}
		}
		return false
	}
	var kind error
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", program, err)
	case errors.Is(err, context.DeadlineExceeded):
		kind = ErrBusy
	case has("Operation not permitted", "Permission denied", "you must be root"):
		kind = ErrPermission
	case has("Hash is full"):
		kind = ErrFull
	case has("does not exist", "doesn't exist"):
		kind = ErrGone
	case has("xtables lock", "resource problem", "Resource temporarily unavailable", "in use by a kernel component"):
		kind = ErrBusy
	case has("Cannot open session to kernel", "can't initialize", "No such file or directory", "missing kernel module", "not supported"):
		kind = ErrUnsupported
	default:
		return fmt.Errorf("%s: %w: %s", program, err, said)
	}
	return fmt.Errorf("%s: %w: %s", program, kind, said)
}

// maxSaid bounds how much of a program's complaint an error repeats, in bytes.
const maxSaid = 300
