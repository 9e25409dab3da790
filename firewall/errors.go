package firewall

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The errors a caller may want to tell apart, by errors.Is.
var (
	// ErrPermission: this process may not change the firewall.
	ErrPermission = errors.New("no permission to change the firewall")
	// ErrDenied: a file or a node's API is closed to this process.
	ErrDenied = errors.New("access denied")
	// ErrUnsupported: the kernel, or a program it takes, lacks what the backend needs.
	ErrUnsupported = errors.New("not supported here")
	// ErrFull: the kernel takes no more bans.
	ErrFull = errors.New("the firewall takes no more bans")
	// ErrGone: our table, a set, a rule or a ban is missing or was changed by
	// somebody else. Init puts it right.
	ErrGone = errors.New("the firewall is not as we left it")
	// ErrBusy: the kernel or the node could not take it now; the same call may
	// succeed later.
	ErrBusy = errors.New("the firewall is busy")
	// ErrOwned: another p2pban that runs keeps our table.
	ErrOwned = errors.New("another p2pban is at work here")
	// ErrBadPrefix: the ban itself is impossible; trying again is of no use.
	ErrBadPrefix = errors.New("a prefix that cannot be banned")
)

// ErrEnds is an ErrGone of bans that stand and end at another time. Where no
// program is known to have changed them, the machine's clock was set: the kernel
// counts what is left of a ban by a clock that never is.
var ErrEnds = fmt.Errorf("%w: bans end at another time", ErrGone)

// silentNode is an ErrBusy of a Kubo node whose API can't be reached.
type silentNode struct{ err error }

func (e silentNode) Error() string      { return "the node does not answer: " + e.err.Error() }
func (e silentNode) Unwrap() error      { return e.err }
func (silentNode) Is(target error) bool { return target == ErrBusy }

// errNotStarted is an ErrGone that is nobody's doing.
var errNotStarted = fmt.Errorf("%w: Init comes first", ErrGone)

// disturbed reports whether Verify found something to be repaired.
func disturbed(err error) bool {
	return errors.Is(err, ErrGone) && !errors.Is(err, errNotStarted)
}

// Hint says what an operator can do about an error of this package, as a
// clause for the end of a message; empty when there is nothing to advise.
func Hint(err error) string {
	switch {
	case errors.As(err, new(silentNode)):
		return "is the node running, and is its API at [firewall] kubo_api? it is asked again"
	case errors.Is(err, ErrPermission):
		return "run it as root or give it CAP_NET_ADMIN (in a systemd unit: AmbientCapabilities=CAP_NET_ADMIN; in a container: --cap-add NET_ADMIN)"
	case errors.Is(err, ErrDenied):
		return "let the user p2pban runs as write the deny list's directory, or give it the secret the node asks for (Kubo: API.Authorizations)"
	case errors.Is(err, ErrUnsupported):
		return "load the kernel module nf_tables, or choose another [firewall] backend: nftables, iptables, print"
	case errors.Is(err, ErrFull):
		return "ban wider prefixes or for a shorter time, or give the machine more memory"
	case errors.Is(err, ErrOwned):
		return "one daemon watches any number of logs: stop one of the two and give its [source] and [jail] tables to the other, or run them in network namespaces of their own"
	case errors.Is(err, ErrGone):
		return "something else flushed the firewall; p2pban puts it back when it runs"
	case errors.Is(err, ErrBusy):
		return "nothing to do: it is tried again"
	case errors.Is(err, unix.ENOSPC):
		return "make room on its disk; it is tried again"
	case errors.Is(err, os.ErrNotExist):
		return "make its directory, or name another place in [firewall]; it is tried again"
	}
	return ""
}

// kernelError puts the sentinel of this package in front of an error of the
// nftables library. These numbers are what nfnetlink and nf_tables answer with
// (Linux, net/netfilter/nfnetlink.c and nf_tables_api.c).
func kernelError(doing string, err error) error {
	if err == nil {
		return nil
	}
	kind := errnoKind(err)
	if kind == nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, kind, err)
}

func errnoKind(err error) error {
	is := func(errnos ...unix.Errno) bool {
		for _, e := range errnos {
			if errors.Is(err, e) {
				return true
			}
		}
		return false
	}
	switch {
	case errors.Is(err, os.ErrPermission), is(unix.EPERM, unix.EACCES):
		return ErrPermission
	// EPROTONOSUPPORT: no NETLINK_NETFILTER; EOPNOTSUPP: no nf_tables behind
	// it; EAFNOSUPPORT: nf_tables without the inet family.
	case is(unix.EPROTONOSUPPORT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT):
		return ErrUnsupported
	case is(unix.ENFILE, unix.ENOSPC, unix.ENOMEM):
		return ErrFull
	case errors.Is(err, os.ErrNotExist), is(unix.ENOENT):
		return ErrGone
	case errors.Is(err, os.ErrDeadlineExceeded), is(unix.ENOBUFS, unix.EAGAIN, unix.EBUSY, unix.EINTR):
		return ErrBusy
	}
	return nil
}
