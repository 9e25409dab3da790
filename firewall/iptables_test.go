package firewall

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/p2pban/p2pban/internal/netnstest"
	"golang.org/x/sys/unix"
)

func variants(t *testing.T, f func(t *testing.T, variant string)) {
	for _, v := range []string{"nft", "legacy"} {
		t.Run(v, func(t *testing.T) { f(t, v) })
	}
}

func TestIPTablesRules(t *testing.T) {
	want := map[string][]string{
		"everything": {
			"-A PREROUTING -m set --match-set p2pban4 src -m comment --comment p2pban -j DROP",
			"-A PREROUTING -m set --match-set p2pban4 dst -m comment --comment p2pban -j DROP",
			"-A OUTPUT -m set --match-set p2pban4 dst -m comment --comment p2pban -j DROP",
		},
		"one udp port": {
			"-A PREROUTING -p udp -m multiport --dports 4001 -m set --match-set p2pban4 src -m comment --comment p2pban -j DROP",
			"-A PREROUTING -p udp -m multiport --sports 4001 -m set --match-set p2pban4 dst -m comment --comment p2pban -j DROP",
			"-A OUTPUT -p udp -m multiport --sports 4001 -m set --match-set p2pban4 dst -m comment --comment p2pban -j DROP",
		},
	}
	options := map[string]Options{"everything": {}, "one udp port": {Ports: []uint16{4001}, Protocols: []Protocol{UDP}}}
	variants(t, func(t *testing.T, variant string) {
		for name, o := range options {
			b := newIPTables(t, variant, o)
			foreign := "-A PREROUTING -s 203.0.113.0/24 -m comment --comment \"theirs, not p2pban\" -j DROP"
			run(t, "*raw\n"+foreign+"\nCOMMIT\n", "iptables-restore", "--noflush")
			mustInit(t, b)
			mustInit(t, b) // must not add a second copy
			saved := run(t, "", "iptables-save", "-t", "raw")
			var got []string
			for line := range strings.Lines(saved) {
				if strings.HasPrefix(line, "-A ") {
					got = append(got, strings.TrimSpace(line))
				}
			}
			// Ours stand before the others' in their chain.
			full := append(slices.Clone(want[name][:2]), foreign, want[name][2])
			if diff := cmp.Diff(full, got); diff != "" {
				t.Errorf("%s: rules (-want +stand):\n%s", name, diff)
			}
			run(t, "*raw\n"+strings.Replace(foreign, "-A", "-D", 1)+"\nCOMMIT\n", "iptables-restore", "--noflush")
		}
	})
}

func TestManyPortsAreSplit(t *testing.T) {
	var ports []uint16
	for i := range uint16(20) {
		ports = append(ports, 4001+i)
	}
	variants(t, func(t *testing.T, variant string) {
		b := newIPTables(t, variant, Options{Ports: ports})
		mustInit(t, b)
		mustInit(t, b)
		if err := b.Verify(context.Background(), nil); err != nil {
			t.Error(err)
		}
		// Two protocols, two parts of at most 15 ports, three directions.
		if got := strings.Count(run(t, "", "ip6tables-save", "-t", "raw"), ruleComment+" -j"); got != 12 {
			t.Errorf("%d rules, want 12", got)
		}
	})
}

func TestIPTablesVariantsAreNotMixed(t *testing.T) {
	legacy := newIPTables(t, "legacy", Options{})
	mustInit(t, legacy, mixed()...)
	// The host is switched to the other variant.
	dir := t.TempDir()
	for _, program := range []string{"iptables", "ip6tables"} {
		for _, end := range []string{"", "-save", "-restore"} {
			os.Symlink(netnstest.LookPath(t, program+"-nft"+end), filepath.Join(dir, program+end))
		}
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", dir+":"+path)
	nft, err := NewIPTables(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if nft.String() != "iptables (nf_tables)" || legacy.String() != "iptables (legacy)" {
		t.Errorf("the variants are %s and %s", nft, legacy)
	}
	mustInit(t, nft, mixed()...)
	stands(t, nft, mixed()...)
	for program, want := range map[string]int{"iptables-legacy-save": 0, "ip6tables-legacy-save": 0, "iptables-nft-save": 3, "ip6tables-nft-save": 3} {
		if got := strings.Count(run(t, "", program, "-t", "raw"), "--comment "+ruleComment); got != want {
			t.Errorf("%s shows %d rules of ours, want %d", program, got, want)
		}
	}

	// Half switched: refused, with what to do.
	half := t.TempDir()
	for _, end := range []string{"", "-save", "-restore"} {
		os.Symlink(netnstest.LookPath(t, "iptables-legacy"+end), filepath.Join(half, "iptables"+end))
	}
	t.Setenv("PATH", half+":"+os.Getenv("PATH"))
	if _, err := NewIPTables(Options{}); !errors.Is(err, ErrUnsupported) || !strings.Contains(fmt.Sprint(err), "update-alternatives") {
		t.Errorf("iptables and ip6tables of different variants: %v, want ErrUnsupported", err)
	}
}

func TestFlushRemovesIPTablesObjects(t *testing.T) {
	variants(t, func(t *testing.T, variant string) {
		b := newIPTables(t, variant, Options{})
		run(t, "", "ipset", "create", "theirs", "hash:ip")
		defer run(t, "", "ipset", "destroy", "theirs")
		mustInit(t, b, mixed()...)
		removed, err := Flush(context.Background())
		if err != nil || len(removed) != 4 {
			t.Errorf("Flush removed %q, %v; want rules and sets of two families", removed, err)
		}
		if got := strings.Fields(run(t, "", "ipset", "list", "-n")); !slices.Equal(got, []string{"theirs"}) {
			t.Errorf("after Flush there are the sets %q", got)
		}
		for _, p := range []string{"iptables-save", "ip6tables-save"} {
			if got := run(t, "", p, "-t", "raw"); strings.Contains(got, "p2pban") {
				t.Errorf("after Flush %s shows:\n%s", p, got)
			}
		}
		if err := b.Apply(context.Background(), Change{Set: mixed()}); !errors.Is(err, ErrGone) {
			t.Errorf("Apply after Flush: %v, want ErrGone", err)
		}
		mustInit(t, b, mixed()...)
		stands(t, b, mixed()...)
	})
}

func TestIPTablesWatch(t *testing.T) {
	variants(t, func(t *testing.T, variant string) {
		b := newIPTables(t, variant, Options{})
		mustInit(t, b, mixed()...)
		ctx, cancel := context.WithCancel(context.Background())
		reports, done := make(chan Disturbance, 100), make(chan error, 1)
		go func() { done <- b.Watch(ctx, func(d Disturbance) { reports <- d }) }()
		defer func() { cancel(); <-done }()
		for _, spoil := range [][]string{
			{"iptables", "-w", "-t", "raw", "-F"},
			{"ip6tables", "-w", "-t", "raw", "-F", "PREROUTING"},
			{"iptables", "-w", "-t", "raw", "-I", "PREROUTING", "-i", "eth9", "-j", "ACCEPT"},
			{"ip6tables", "-w", "-t", "raw", "-I", "OUTPUT", "-j", "RETURN"},
			{"nft", "flush ruleset"},
			{"ipset", "flush"}, // of which nothing is announced
			{"ipset", "flush", ipset6},
		} {
			if variant == "legacy" && spoil[0] == "nft" {
				continue // does not touch the legacy rules
			}
			for len(reports) > 0 {
				<-reports // the last was told more than once
			}
			start := time.Now()
			run(t, "", spoil[0], spoil[1:]...)
			select {
			case told := <-reports:
				t.Logf("%v: after %v: %v", spoil, time.Since(start), told)
				if !errors.Is(told.Err, ErrGone) {
					t.Errorf("%v: told %v", spoil, told)
				}
			case <-time.After(tellingTime):
				t.Fatalf("%v: not told", spoil)
			}
			mustInit(t, b, mixed()...)
			if err := b.Verify(context.Background(), mixed()); err != nil {
				t.Errorf("%v: after the repair: %v", spoil, err)
			}
		}
	})
}

func TestLongBansAreArmedAgain(t *testing.T) {
	now := time.Now()
	b := newIPTables(t, "nft", Options{Now: func() time.Time { return now }})
	long := Ban{Prefix: pfx("192.0.2.1/32"), Until: now.Add(60 * 24 * time.Hour)}
	mustInit(t, b, long, Ban{Prefix: pfx("192.0.2.2/32"), Until: now.Add(time.Hour)})
	kernelSeconds := func() int {
		for line := range strings.Lines(run(t, "", "ipset", "save", ipset4)) {
			var left int
			if n, _ := fmt.Sscanf(line, "add p2pban4 192.0.2.1 timeout %d", &left); n == 1 {
				return left
			}
		}
		return 0
	}
	if got := kernelSeconds(); got < 2147400 || got > 2147483 {
		t.Errorf("a ban of 60 days has %d s in the kernel, want the longest possible, 2147483", got)
	}
	run(t, "", "ipset", "-exist", "add", ipset4, "192.0.2.1", "timeout", "1000")
	now = now.Add(10 * 24 * time.Hour)
	if err := b.rearm(context.Background()); err != nil || kernelSeconds() > 1000 {
		t.Errorf("armed after 10 of 24.8 days already (%d s, %v)", kernelSeconds(), err)
	}
	now = now.Add(5 * 24 * time.Hour)
	ended, end := context.WithCancel(context.Background())
	end()
	if err := b.rearm(ended); err == nil {
		t.Error("armed after the context had ended")
	}
	if err := b.rearm(context.Background()); err != nil || kernelSeconds() < 2147400 {
		t.Errorf("not armed after 15 days and an error (%d s, %v)", kernelSeconds(), err)
	}
	mustApply(t, b, Change{Lift: prefixes("192.0.2.1/32")})
	now = now.Add(20 * 24 * time.Hour)
	if err := b.rearm(context.Background()); err != nil || kernelSeconds() != 0 {
		t.Errorf("a lifted ban came back with %d s (%v)", kernelSeconds(), err)
	}
}

func TestFullIPSet(t *testing.T) {
	b := newIPTables(t, "nft", Options{})
	mustInit(t, b)
	run(t, "create small hash:net family inet timeout 0 counters maxelem 10\nswap small p2pban4\ndestroy small\n", "ipset", "restore")
	err := b.Apply(context.Background(), Change{Set: until(hosts(11), in(time.Hour))})
	if !errors.Is(err, ErrFull) {
		t.Errorf("11 bans in a set of 10: %v, want ErrFull", err)
	}
	mustInit(t, b, until(hosts(11), in(time.Hour))...)
	stands(t, b, until(hosts(11), in(time.Hour))...)
}

func TestIPTablesInitAfterAKilledOne(t *testing.T) {
	b := newIPTables(t, "nft", Options{})
	run(t, "", "ipset", "create", ipset4+spare, "hash:net", "maxelem", "7") // what a killed Init leaves
	mustInit(t, b, mixed()...)
	stands(t, b, mixed()...)
	if got := run(t, "", "ipset", "list", "-n"); strings.Contains(got, spare) {
		t.Errorf("the spare sets stand: %s", got)
	}
}

func TestMissingPrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := lookProgram("iptables-of-no-host"); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("a program that is not installed: %v", err)
	}
}

func TestProgramErrors(t *testing.T) {
	for said, want := range map[string]error{
		"ipset v7.17: Kernel error received: Operation not permitted":                                                     ErrPermission,
		"iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)":       ErrPermission,
		"ipset v7.17: Hash is full, cannot add more elements":                                                             ErrFull,
		"ipset v7.17: The set with the given name does not exist":                                                         ErrGone,
		"iptables v1.8.9 (nf_tables): Set p2pban4 doesn't exist.\n\nTry `iptables -h' or 'iptables --help'":               ErrGone,
		"Another app is currently holding the xtables lock; still 0s 0us time ahead to have a chance to grab the lock...": ErrBusy,
		"ipset v7.17: Cannot open session to kernel.":                                                                     ErrUnsupported,
	} {
		err := programError("x", said, errors.New("exit status 1"))
		if !errors.Is(err, want) || strings.Contains(err.Error(), "Try") {
			t.Errorf("%q became %v, want %v", said, err, want)
		}
	}
	long := programError("x", strings.Repeat("y", 10_000), errors.New("exit status 1"))
	if len(long.Error()) > 2*maxSaid {
		t.Errorf("an error of %d bytes", len(long.Error()))
	}
}

// TestFlushOther changes from one backend to the other and back: what the first left
// goes once the second has the bans, but not while somebody keeps it.
func TestFlushOther(t *testing.T) {
	variants(t, func(t *testing.T, variant string) {
		ctx := context.Background()
		rules := newIPTables(t, variant, Options{Exclusive: true})
		table := newExclusive(t)
		ban := Ban{Prefix: pfx("192.0.2.1/32"), Until: in(time.Hour)}
		mustInit(t, table, ban)
		mustInit(t, rules, ban)
		flush := func(kept string, want int) {
			t.Helper()
			removed, err := FlushOther(ctx, kept)
			if err != nil || len(removed) < want || want == 0 && len(removed) > 0 {
				t.Errorf("beside %s: removed %q, %v; want at least %d things, and none if that is 0", kept, removed, err, want)
			}
		}
		flush("nftables", 0) // the rules are kept
		flush("iptables", 0) // so is the table
		stands(t, table, ban)
		if err := rules.Verify(ctx, []Ban{ban}); err != nil {
			t.Error(err)
		}

		if err := rules.Close(); err != nil { // its bans stay
			t.Fatal(err)
		}
		flush("nftables", 3) // rules of both families, and at least one set
		if saved := run(t, "", "iptables-save", "-t", "raw"); strings.Contains(saved, "p2pban") {
			t.Errorf("of the rules stands still:\n%s", saved)
		}
		stands(t, table, ban)

		if err := table.Close(); err != nil {
			t.Fatal(err)
		}
		flush("iptables", 1)
		flush("iptables", 0)
		flush("nftables", 0)
		flush("print", 0)
	})
}

// asService marks the run of this test binary as the user of the packaged service,
// who is not root and may change the firewall.
const asService = "P2PBAN_AS_SERVICE"

// TestFlushOtherAsTheService: the kernel shows the tables of legacy iptables to root
// alone. Where no set of ours stands the service must not speak of rules left behind,
// and where one does it must.
func TestFlushOtherAsTheService(t *testing.T) {
	if os.Getenv(asService) != "" {
		removed, err := FlushOther(context.Background(), "nftables")
		fmt.Printf("removed %d, may look: %v\n", len(removed), !errors.Is(err, ErrPermission))
		return
	}
	newNFTables(t, Options{})
	run(t, "", "iptables-legacy", "-t", "raw", "-L") // from now on the kernel has the list that only root may read
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "test")
	run(t, "", "cp", self, binary)
	run(t, "", "chmod", "755", binary, dir, filepath.Dir(dir))
	ask := func(want string) {
		t.Helper()
		cmd := exec.Command(binary, "-test.run", "^TestFlushOtherAsTheService$")
		cmd.Env = append(os.Environ(), asService+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
			AmbientCaps: []uintptr{unix.CAP_NET_ADMIN},
		}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.EINVAL) {
			netnstest.Skip(t, "a user namespace without other users than root")
		}
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v\n%s\nwant %s", err, out, want)
		}
	}
	ask("removed 0, may look: true")
	run(t, "", "ipset", "create", ipset4, "hash:net")
	defer run(t, "", "ipset", "destroy", ipset4)
	ask("removed 0, may look: false")
}
