package firewall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/p2pban/p2pban/internal/netnstest"
)

func newExclusive(t *testing.T) *NFTables {
	t.Helper()
	b, err := NewNFTables(Options{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestOneKeepsTheTable(t *testing.T) {
	newNFTables(t, Options{})
	ctx := context.Background()
	first, second := newExclusive(t), newExclusive(t)
	ban := Ban{Prefix: pfx("192.0.2.1/32"), Until: in(time.Hour)}
	mustInit(t, first, ban)
	err := second.Init(ctx, nil)
	if !errors.Is(err, ErrOwned) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d (", os.Getpid())) || Hint(err) == "" {
		t.Errorf("a second Init: %v; want ErrOwned with this process's pid and command", err)
	}
	stands(t, first, ban)
	if err := second.Owned(); !errors.Is(err, ErrOwned) {
		t.Errorf("Owned: %v, want ErrOwned", err)
	}
	mustInit(t, first, ban) // its own claim keeps nobody out
	if err := first.Verify(ctx, []Ban{ban}); err != nil {
		t.Error(err)
	}

	// Flush needs no leave, and leaves nobody's claim behind.
	if removed, err := Flush(ctx); err != nil || len(removed) != 1 {
		t.Errorf("Flush removed %q, %v; want the table", removed, err)
	}
	mustInit(t, second, ban)
	if err := first.Init(ctx, nil); !errors.Is(err, ErrOwned) {
		t.Errorf("the first, once the second keeps the table: %v, want ErrOwned", err)
	}

	// The bans stay, the claim goes.
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	stands(t, first, ban)
	if err := first.Owned(); err != nil {
		t.Errorf("Owned, when nobody keeps the table: %v", err)
	}
	mustInit(t, first)
	stands(t, first)
}

// A comment that only looks like a claim, or whose daemon has ended, keeps
// nobody out.
func TestClaimsThatDoNotHold(t *testing.T) {
	newNFTables(t, Options{})
	squatted, err := net.Listen("unix", claimSocket+"SQUATTED")
	if err != nil {
		t.Fatal(err)
	}
	defer squatted.Close()
	deaf(t, "DEAF")
	for what, comment := range map[string]string{
		"an operator's comment":        "bans of ours, ask Ada",
		"a daemon that was killed":     fmt.Sprintf(tableClaim, 4242, os.Geteuid(), "NOBODY"),
		"a name that another took":     fmt.Sprintf(tableClaim, 4242, os.Geteuid()+1, "SQUATTED"),
		"one that hears nobody":        fmt.Sprintf(tableClaim, endedPID(t), os.Geteuid(), "DEAF"),
		"half a claim":                 "kept by p2pban pid 42",
		"an empty comment":             "",
		"a claim in another namespace": fmt.Sprintf(tableClaim, 4242, os.Geteuid(), elsewhere(t)),
	} {
		run(t, fmt.Sprintf("add table inet p2pban\ndelete table inet p2pban\nadd table inet p2pban { comment %q; }\n", comment), "nft", "-f", "-")
		b := newExclusive(t)
		if err := b.Init(context.Background(), mixed()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		stands(t, b, mixed()...)
		b.Close()
	}
	// The name is the same, and so is the user.
	run(t, fmt.Sprintf("delete table inet p2pban\nadd table inet p2pban { comment %q; }\n",
		fmt.Sprintf(tableClaim, 4242, os.Geteuid(), "SQUATTED")), "nft", "-f", "-")
	if err := newExclusive(t).Init(context.Background(), nil); !errors.Is(err, ErrOwned) {
		t.Errorf("a claim that holds: %v, want ErrOwned", err)
	}
	run(t, fmt.Sprintf("delete table inet p2pban\nadd table inet p2pban { comment %q; }\n",
		fmt.Sprintf(tableClaim, os.Getpid(), os.Geteuid(), "DEAF")), "nft", "-f", "-")
	if err := newExclusive(t).Init(context.Background(), nil); !errors.Is(err, ErrOwned) {
		t.Errorf("a claim whose process runs and hears nobody: %v, want ErrOwned", err)
	}
}

// deaf holds the name of a claim's socket, whose queue is full.
func deaf(t *testing.T, name string) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: claimSocket + name}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		waits, err := net.Dial("unix", claimSocket+name)
		if err != nil {
			return
		}
		t.Cleanup(func() { waits.Close() })
	}
	t.Fatal("the queue takes all who come")
}

// endedPID is the number of a process that has ended.
func endedPID(t *testing.T) int {
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid
}

// elsewhere is the name of a claim's socket in another network namespace.
func elsewhere(t *testing.T) string {
	const name = "ELSEWHERE"
	var socket net.Listener
	var err error
	netnstest.New(t).Do(func() { socket, err = net.Listen("unix", claimSocket+name) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return name
}

// TestOneKeepsTheRules is TestOneKeepsTheTable for both variants of iptables.
func TestOneKeepsTheRules(t *testing.T) {
	variants(t, func(t *testing.T, variant string) {
		ctx := context.Background()
		exclusive := Options{Exclusive: true}
		first, second := newIPTables(t, variant, exclusive), newIPTables(t, variant, exclusive)
		ban := Ban{Prefix: pfx("192.0.2.1/32"), Until: in(time.Hour)}
		// What a daemon that was killed has left, and an operator's own rule.
		const own = "-A PREROUTING -s 198.51.100.1 -m comment --comment p2pban-1-2 -j ACCEPT"
		run(t, "*raw\n"+own+"\n-A PREROUTING -s 198.51.100.2 -m comment --comment p2pban-4242-0-NOBODY -j DROP\nCOMMIT\n", "iptables-restore", "--noflush")
		defer run(t, "*raw\n"+strings.Replace(own, "-A", "-D", 1)+"\nCOMMIT\n", "iptables-restore", "--noflush")
		mustInit(t, first, ban)
		saved := run(t, "", "iptables-save", "-t", "raw")
		if strings.Contains(saved, "NOBODY") || !strings.Contains(saved, "--comment p2pban-1-2 -j ACCEPT") {
			t.Errorf("want the dead daemon's rule gone and the operator's there:\n%s", saved)
		}
		err := second.Init(ctx, nil)
		if !errors.Is(err, ErrOwned) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d (", os.Getpid())) {
			t.Errorf("a second Init: %v; want ErrOwned with this process's pid and command", err)
		}
		if err := second.Owned(); !errors.Is(err, ErrOwned) {
			t.Errorf("Owned: %v, want ErrOwned", err)
		}
		stands(t, first, ban)
		mustInit(t, first, ban) // its own claim keeps nobody out
		if err := first.Verify(ctx, []Ban{ban}); err != nil {
			t.Error(err)
		}
		// The bans stay, the claim goes.
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		stands(t, second, ban)
		if err := second.Owned(); err != nil {
			t.Errorf("Owned, when nobody keeps the rules: %v", err)
		}
		mustInit(t, second)
		stands(t, second)
		if removed, err := Flush(ctx); err != nil || !slices.ContainsFunc(removed, func(r string) bool { return strings.HasSuffix(r, " rules") }) {
			t.Errorf("Flush removed %q, %v; want the rules too", removed, err)
		}
	})
}
