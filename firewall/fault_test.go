package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
	"golang.org/x/sys/unix"
)

func TestFlushRemovesOnlyWhatIsOurs(t *testing.T) {
	ctx := context.Background()
	b := newNFTables(t, Options{})
	run(t, "", "nft", "add table inet theirs")
	mustInit(t, b, mixed()...)

	removed, err := Flush(ctx)
	if err != nil || !slices.Equal(removed, []string{"nftables table inet p2pban"}) {
		t.Errorf("Flush removed %q, %v", removed, err)
	}
	if got := run(t, "", "nft", "list", "tables"); strings.TrimSpace(got) != "table inet theirs" {
		t.Errorf("after Flush there is:\n%s", got)
	}
	if removed, err := Flush(ctx); err != nil || len(removed) != 0 {
		t.Errorf("a second Flush removed %q, %v", removed, err)
	}
	stands(t, b)
	mustInit(t, b, mixed()...)
	stands(t, b, mixed()...)
}

func TestBansOutliveTheBackend(t *testing.T) {
	first := newNFTables(t, Options{})
	mustInit(t, first, mixed()...)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := NewNFTables(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	stands(t, second, mixed()...)
	// A daemon that died between saving a ban and enforcing it asserts all of
	// them when it starts.
	all := append(mixed(), Ban{Prefix: pfx("203.0.113.77/32"), Until: in(time.Hour)})
	mustInit(t, second, all...)
	stands(t, second, all...)
}

func TestClosedBackendWorksAgain(t *testing.T) {
	b := newNFTables(t, Options{})
	mustInit(t, b)
	b.Close()
	mustApply(t, b, Change{Set: mixed()})
	stands(t, b, mixed()...)
}

func TestApplyAfterAForeignFlush(t *testing.T) {
	ctx := context.Background()
	for _, foreign := range []string{
		"flush ruleset",
		"delete table inet p2pban",
		"flush chain inet p2pban prerouting; delete chain inet p2pban prerouting; delete chain inet p2pban output; delete table inet p2pban",
	} {
		b := newNFTables(t, Options{})
		mustInit(t, b, mixed()...)
		run(t, "", "nft", foreign)
		err := b.Apply(ctx, Change{Set: []Ban{{Prefix: pfx("203.0.113.1/32")}}})
		if !errors.Is(err, ErrGone) {
			t.Errorf("Apply after %q: %v, want ErrGone", foreign, err)
		}
		if text := fmt.Sprint(err); len(text) > 300 {
			t.Errorf("the error is %d bytes long: %s", len(text), text)
		}
		mustInit(t, b, mixed()...)
		mustApply(t, b, Change{Set: []Ban{{Prefix: pfx("203.0.113.1/32")}}})
		stands(t, b, append(mixed(), Ban{Prefix: pfx("203.0.113.1/32")})...)
	}
}

func TestFlushesWhileApplying(t *testing.T) {
	ctx := context.Background()
	b := newNFTables(t, Options{})
	mustInit(t, b)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				exec.Command("nft", "flush", "ruleset").Run()
			}
		}
	}()
	all := until(hosts(2000), in(time.Hour))
	failed := 0
	for chunk := range slices.Chunk(all, 50) {
		if err := b.Apply(ctx, Change{Set: chunk}); err != nil {
			if !errors.Is(err, ErrGone) {
				t.Fatal("Apply:", err)
			}
			failed++
			mustInit(t, b, all...)
		}
	}
	close(stop)
	<-stopped
	if failed == 0 {
		t.Error("no Apply met a flushed table: the test tests nothing")
	}
	mustInit(t, b, all...)
	stands(t, b, all...)
}

func TestDeadSocketIsReplaced(t *testing.T) {
	ctx := context.Background()
	b := newNFTables(t, Options{})
	mustInit(t, b)
	b.sender.socket.Close()
	if err := b.Apply(ctx, Change{Set: mixed()}); err == nil {
		t.Error("Apply over a closed socket succeeded")
	}
	mustApply(t, b, Change{Set: mixed()})
	stands(t, b, mixed()...)
	b.sender.socket.Close()
	if err := b.Verify(ctx, nil); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("Verify over a closed socket: %v, want an error that is not ErrGone", err)
	}
	if err := b.Verify(ctx, nil); err != nil {
		t.Error("Verify with a new socket:", err)
	}
	b.sender.socket.Close() // after the table was read
	if err := b.verifyChain(prerouting, nil); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("reading a chain over a closed socket: %v, want an error that is not ErrGone", err)
	}
	if err := b.Verify(ctx, nil); err != nil {
		t.Error("Verify with a new socket after a chain could not be read:", err)
	}
}

func TestEndedContextChangesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := newNFTables(t, Options{})
	mustInit(t, b, mixed()...)
	if err := b.Apply(ctx, Change{Set: []Ban{{Prefix: pfx("203.0.113.1/32")}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply: %v, want context.Canceled", err)
	}
	if err := b.Init(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Init: %v, want context.Canceled", err)
	}
	stands(t, b, mixed()...)
}

// A socket that may not grow its buffers, as in an unprivileged container,
// gets the same bans in several transactions.
func TestSmallSocketBuffers(t *testing.T) {
	b := newNFTables(t, Options{})
	mustInit(t, b)
	b.sender.forced, b.sender.limit = false, 212992-batchOverhead
	if err := b.sender.socket.SetReadBuffer(212992 / 2); err != nil { // the kernel doubles it
		t.Fatal(err)
	}
	want := until(hosts(20_000), in(time.Hour))
	tx, _, err := initial(b.options, want, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	parts := tx.cut(b.sender.limit, b.sender.messages())
	if len(parts) < 3 {
		t.Fatalf("20,000 bans are cut into %d transactions; the test tests nothing", len(parts))
	}
	for _, part := range parts {
		size := 0
		for _, s := range part {
			size += s.size()
		}
		if size > b.sender.limit {
			t.Errorf("a transaction of %d bytes, limit %d", size, b.sender.limit)
		}
	}
	mustInit(t, b, want...)
	mustApply(t, b, Change{Set: want})
	stands(t, b, want...)
}

// The kernel's answers to a large change do not fit a small buffer: the change
// may stand or not, which is told as an error that is tried again.
func TestLostAnswers(t *testing.T) {
	b := newNFTables(t, Options{})
	mustInit(t, b)
	if err := b.sender.socket.SetReadBuffer(1); err != nil { // the least there is
		t.Fatal(err)
	}
	want := until(hosts(200_000), in(time.Hour))
	err := b.Apply(context.Background(), Change{Set: want})
	if !errors.Is(err, ErrBusy) || !errors.Is(err, unix.ENOBUFS) {
		t.Errorf("600 answers into the smallest buffer: %v, want ErrBusy by ENOBUFS", err)
	}
	mustInit(t, b, want[:1000]...)
	mustApply(t, b, Change{Set: mixed()})
	stands(t, b, append(mixed(), want[:1000]...)...)
}

func TestFullSet(t *testing.T) {
	b := newNFTables(t, Options{})
	mustInit(t, b)
	// Our sets have no size; one made by hand has.
	run(t, `flush chain inet p2pban prerouting
		flush chain inet p2pban output
		delete set inet p2pban ipv4
		add set inet p2pban ipv4 { type ipv4_addr; flags timeout; size 10; counter; }`, "nft", "-f", "-")
	err := b.Apply(context.Background(), Change{Set: until(hosts(11), in(time.Hour))})
	if !errors.Is(err, ErrFull) || Hint(err) == "" {
		t.Errorf("Apply of 11 bans to a set of 10: %v, want ErrFull with a hint", err)
	}
	if got := mustList(t, b); len(got) != 0 {
		t.Errorf("%d bans of the failed transaction stand", len(got))
	}
	mustApply(t, b, Change{Set: until(hosts(10), in(time.Hour))})
	stands(t, b, until(hosts(10), in(time.Hour))...)
}

// withoutPermissionEnv makes the test binary try every door and print what
// errors it meets, instead of running tests.
const withoutPermissionEnv = "P2PBAN_TEST_WITHOUT_PERMISSION"

func TestWithoutPermission(t *testing.T) {
	netnstest.Require(t)
	if os.Getenv(withoutPermissionEnv) != "" {
		tryEveryDoor()
		return
	}
	var out bytes.Buffer
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestWithoutPermission$")
	cmd.Env = append(os.Environ(), withoutPermissionEnv+"=1")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := netnstest.StartWithoutNetAdmin(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	doors := 0
	for line := range strings.Lines(out.String()) {
		if name, verdict, ok := strings.Cut(line, ": "); ok {
			doors++
			if !strings.HasPrefix(verdict, "permission: ") || !strings.Contains(verdict, "CAP_NET_ADMIN") {
				t.Errorf("%s without CAP_NET_ADMIN: %s", name, verdict)
			}
		}
	}
	if doors != 4 {
		t.Errorf("%d doors were tried, want 4:\n%s", doors, out.String())
	}
}

func tryEveryDoor() {
	ctx := context.Background()
	say := func(door string, err error) {
		verdict := "other"
		if errors.Is(err, ErrPermission) {
			verdict = "permission"
		}
		fmt.Printf("%s: %s: %s (%s)\n", door, verdict, strings.ReplaceAll(fmt.Sprint(err), "\n", "; "), Hint(err))
	}
	_, err := NewNFTables(Options{})
	say("NewNFTables", err)
	_, err = NewIPTables(Options{})
	say("NewIPTables", err)
	_, err = Flush(ctx)
	say("Flush", err)
	n := &NFTables{}
	n.sender.opened = n.ports.add
	say("Init", n.Init(ctx, mixed()))
}

func TestErrorKinds(t *testing.T) {
	for _, c := range []struct {
		errno unix.Errno
		want  error
	}{
		{unix.EPERM, ErrPermission}, {unix.EPROTONOSUPPORT, ErrUnsupported}, {unix.EOPNOTSUPP, ErrUnsupported},
		{unix.ENFILE, ErrFull}, {unix.ENOMEM, ErrFull}, {unix.ENOENT, ErrGone}, {unix.ENOBUFS, ErrBusy}, {unix.EBUSY, ErrBusy},
	} {
		err := kernelError("doing it", fmt.Errorf("deep: %w", errors.Join(os.NewSyscallError("send", c.errno), c.errno)))
		if !errors.Is(err, c.want) || Hint(err) == "" {
			t.Errorf("%v: %v, want %v with a hint", c.errno, err, c.want)
		}
	}
	if err := kernelError("doing it", unix.EINVAL); Hint(err) != "" || !errors.Is(err, unix.EINVAL) {
		t.Errorf("an error of no kind: %v, hint %q", err, Hint(err))
	}
}
