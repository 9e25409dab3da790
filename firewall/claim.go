package firewall

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// claim is what keeps two daemons from taking turns at replacing each other's
// bans. The one that makes the table (with iptables: the rules) writes into its
// comment who it is and the name of a socket that it keeps open; the next one to
// come reads that, and sees whether somebody is still there.
//
// The socket is an abstract one (unix(7)): like the table it belongs to the
// network namespace, whatever files and processes the two can see, and it is
// gone with its process, so that a killed daemon claims nothing. Only who may
// change the firewall can write the comment, and the name in it is random, so
// that nobody else can make a claim that keeps us out. Whose socket has the name is
// asked of the kernel, and where it does not answer the process is looked for.
type claim struct {
	socket net.Listener
	name   string
}

const (
	claimSocket = "@p2pban-"
	// What stands in a comment: pid, uid and name. iptables-save sets quotes
	// around a comment with a space.
	tableClaim = "kept by p2pban pid %d uid %d at " + claimSocket + "%s"
	rulesClaim = ruleComment + "-%d-%d-%s"
)

// newClaim opens the socket in the network namespace of the calling thread.
func newClaim() (*claim, error) {
	name := rand.Text()
	socket, err := net.Listen("unix", claimSocket+name)
	if err != nil {
		return nil, fmt.Errorf("claiming the firewall: %w", err)
	}
	return &claim{socket, name}, nil
}

// comment is the claim as it stands in a comment of that format.
func (c *claim) comment(format string) string {
	return fmt.Sprintf(format, os.Getpid(), os.Geteuid(), c.name)
}

// claimTimeout bounds how long we wait for another claim's socket, which
// nobody has to answer.
const claimTimeout = time.Second

// heeds gives an ErrOwned when comment, which was written in that format, is the claim
// of another process that is still there. what is the subject of the error's sentence
// ("the table inet p2pban is").
func (c *claim) heeds(what, format, comment string) error {
	var pid, uid int
	var name string
	if _, err := fmt.Sscanf(comment, format, &pid, &uid, &name); err != nil || name == c.name {
		return nil // no claim, or ours
	}
	conn, err := net.DialTimeout("unix", claimSocket+name, claimTimeout)
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return nil // its process has ended
	case err != nil && !runsAs(pid, uid):
		// Such as a full queue. Who has seen the name, which is no secret, can take it
		// up when its daemon ends, let nobody in, and so keep the next from starting.
		return nil
	case err != nil:
		return owned(what, pid, "")
	}
	defer conn.Close()
	holder, err := peerOf(conn.(*net.UnixConn))
	if err != nil || int(holder.Uid) != uid {
		return nil // a stranger took up the name of a daemon that has ended
	}
	if holder.Pid == 0 {
		return owned(what, pid, ", as it is numbered in its container")
	}
	return owned(what, int(holder.Pid), commandOf(int(holder.Pid)))
}

func owned(what string, pid int, more string) error {
	return fmt.Errorf("%w: %s kept by p2pban with pid %d%s", ErrOwned, what, pid, more)
}

// peerOf asks the kernel who made the socket at the other end.
func peerOf(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var errPeer error
	err = raw.Control(func(fd uintptr) {
		peer, errPeer = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return peer, errors.Join(err, errPeer)
}

// runsAs tells whether there is a process of that number and user.
func runsAs(pid, uid int) bool {
	var st unix.Stat_t
	return unix.Stat(fmt.Sprintf("/proc/%d", pid), &st) == nil && int(st.Uid) == uid
}

// maxCommand bounds how much of a command line an error repeats, in bytes.
const maxCommand = 200

// commandOf says how a process was started, as far as it can be seen.
func commandOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(b) == 0 {
		return ""
	}
	words := strings.TrimSpace(string(bytes.ReplaceAll(b[:min(len(b), maxCommand)], []byte{0}, []byte{' '})))
	return fmt.Sprintf(" (%q)", words)
}

func (c *claim) close() error {
	if c == nil {
		return nil
	}
	return c.socket.Close()
}

// claimTable makes sure before Init that the table is ours to replace, where
// Options.Exclusive asks for that. It is called with the lock held.
func (n *NFTables) claimTable() error {
	if !n.options.Exclusive {
		return nil
	}
	if n.claim == nil {
		c, err := newClaim()
		if err != nil {
			return err
		}
		n.claim, n.options.comment = c, c.comment(tableClaim)
	}
	return n.heeds(n.claim)
}

// Owned reports, as an ErrOwned, that a process that set Options.Exclusive
// keeps our table now: Init with it would be refused.
func (n *NFTables) Owned() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.heeds(&claim{})
}

func (n *NFTables) heeds(c *claim) error {
	var stands tableInfo
	err := n.ask(func(conn *netlink.Conn) (err error) {
		stands, err = getTable(conn)
		return err
	})
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return kernelError("reading the table", err)
	}
	return c.heeds("the table inet "+tableName+" is", tableClaim, stands.comment)
}

// claimRules is claimTable for iptables.
func (t *IPTables) claimRules(ctx context.Context) error {
	if !t.options.Exclusive {
		return nil
	}
	if t.claim == nil {
		c, err := newClaim()
		if err != nil {
			return err
		}
		t.claim, t.options.comment = c, c.comment(rulesClaim)
	}
	return t.heeds(ctx, t.claim)
}

// Owned reports, as an ErrOwned, that a process that set Options.Exclusive
// keeps our rules now: Init with it would be refused.
func (t *IPTables) Owned() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.heeds(context.Background(), &claim{})
}

func (t *IPTables) heeds(ctx context.Context, c *claim) error {
	for _, x := range t.families {
		rules, err := x.standing(ctx)
		if err != nil {
			return err
		}
		for _, r := range rules {
			if err := c.heeds("the rules of "+x.program+" are", rulesClaim, commentOf(r)); err != nil {
				return err
			}
		}
	}
	return nil
}
