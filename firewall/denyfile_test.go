package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDenyFileText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deny")
	d := NewDenyFile(path, nil)
	mustInit(t, d, mixed()...)
	mustApply(t, d, Change{Lift: prefixes("192.0.2.2/32"), Set: []Ban{{Prefix: pfx("203.0.113.9/32"), Until: in(time.Minute)}}})
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `/ip4/192.0.2.1/ipcidr/32
/ip4/198.51.100.0/ipcidr/24
/ip4/203.0.113.9/ipcidr/32
/ip6/2001:db8::1/ipcidr/128
/ip6/2001:db8:1:2::/ipcidr/64
/ip6/2001:db8:3::/ipcidr/48
/ip6/2001:db8:4::/ipcidr/53
`
	if string(got) != want {
		t.Errorf("the file is\n%swant\n%s", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the file's mode is %v (%v), want 0644: the node is another user", info.Mode(), err)
	}
}

// A file that another has emptied or removed keeps nobody out until it is repaired.
func TestDenyFileChangedByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deny")
	d := NewDenyFile(path, nil)
	expect := func(when string, gone bool) {
		t.Helper()
		if err := d.changed(); errors.Is(err, ErrGone) != gone || err != nil && !gone {
			t.Errorf("%s: %v", when, err)
		}
	}
	expect("before the start", false)
	mustInit(t, d, mixed()...)
	expect("after the start", false)
	mustApply(t, d, Change{Lift: prefixes("192.0.2.2/32")})
	expect("after a change of ours", false)
	for what, do := range map[string]func() error{
		"emptied":  func() error { return os.Truncate(path, 0) },
		"removed":  func() error { return os.Remove(path) },
		"replaced": func() error { _, err := NewDenyFile(path, nil).Flush(t.Context()); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		expect(what, true)
		mustInit(t, d, mixed()...)
		expect("repaired", false)
	}
}

// A reader that opens the file at any time sees a whole list.
func TestDenyFileIsReplacedWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deny")
	d := NewDenyFile(path, nil)
	const size = 3000
	mustInit(t, d, until(hosts(size), in(time.Hour))...)
	stop, ended := make(chan struct{}), make(chan struct{})
	var reads, bad atomic.Int64
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				got, err := readMultiaddrs(path)
				if err != nil || len(got) < size || len(got) > size+1 {
					bad.Add(1)
				}
				reads.Add(1)
			}
		}
	}()
	extra := pfx("203.0.113.9/32")
	for changes := 0; changes < 20 || reads.Load() < 20; changes++ {
		mustApply(t, d, Change{Set: []Ban{{Prefix: extra}}})
		mustApply(t, d, Change{Lift: []netip.Prefix{extra}})
	}
	close(stop)
	<-ended
	if n := bad.Load(); n > 0 {
		t.Errorf("%d times the file was not whole", n)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("%d files are left in the directory, want 1", len(files))
	}
}

func TestDenyFileThatCannotBeWritten(t *testing.T) {
	d := NewDenyFile(filepath.Join(t.TempDir(), "no", "such", "deny"), nil)
	if err := d.Init(context.Background(), mixed()); err == nil || !strings.Contains(err.Error(), "no/such") {
		t.Errorf("Init in a directory that does not exist: %v", err)
	} else if !strings.Contains(Hint(err), "directory") {
		t.Errorf("what to do about %v is said to be %q", err, Hint(err))
	}
	if again := d.Init(context.Background(), mixed()); fmt.Sprint(again) != fmt.Sprint(d.Init(context.Background(), nil)) {
		t.Errorf("two tries fail in other words, and each is told: %v", again)
	}
	if got := mustList(t, d); len(got) != 0 {
		t.Errorf("%d bans are said to stand", len(got))
	}
	if hint := Hint(fmt.Errorf("writing the list: %w", unix.ENOSPC)); !strings.Contains(hint, "make room") {
		t.Errorf("what to do about a full disk is said to be %q", hint)
	}
	dir := t.TempDir()
	if err := NewDenyFile(dir, nil).Init(context.Background(), mixed()); err == nil || !strings.Contains(err.Error(), dir+": it is there, and is no regular file") {
		t.Errorf("Init in place of a directory: %v", err)
	}
}

func TestMultiaddrs(t *testing.T) {
	for _, p := range prefixes("192.0.2.1/32", "192.0.2.0/24", "2001:db8::/64", "2001:db8::1/128") {
		if back, err := parseMultiaddr(multiaddr(p)); back != p || err != nil {
			t.Errorf("%s is written %s and read back as %v, %v", p, multiaddr(p), back, err)
		}
	}
	for _, s := range []string{"", "/ip4/192.0.2.1", "/ip4/192.0.2.1/tcp/4001", "/ip6/192.0.2.1/ipcidr/32", "/ip4/192.0.2.1/ipcidr/33", "x/ip4/192.0.2.1/ipcidr/32", "/ip4/2001:db8::/ipcidr/32"} {
		if p, err := parseMultiaddr(s); err == nil {
			t.Errorf("%q is read as %s", s, p)
		}
	}
	path := filepath.Join(t.TempDir(), "deny")
	os.WriteFile(path, []byte("/ip4/192.0.2.1/ipcidr/32\nrubbish\n"), 0o600)
	if _, err := readMultiaddrs(path); err == nil || !strings.Contains(err.Error(), path+":2: ") {
		t.Errorf("a damaged file: %v, want its name and line 2", err)
	}
	if got, err := readMultiaddrs(path + "x"); len(got) != 0 || err != nil {
		t.Errorf("no file: %v, %v", got, err)
	}
}
