package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/internal/journaltest"
	"github.com/p2pban/p2pban/internal/netnstest"
	"github.com/p2pban/p2pban/jail"
)

func TestMain(m *testing.M) { os.Exit(netnstest.Main(m)) }

// patience bounds every wait; what is waited for comes within milliseconds.
const patience = 20 * time.Second

// The hosts of the live tests.
var (
	node     = netip.MustParseAddr("203.0.113.1")
	hostile  = netip.MustParseAddr("203.0.113.66")
	hostile6 = netip.MustParseAddr("2001:db8:a::66")
	honest   = netip.MustParseAddr("203.0.113.7")
)

// lab is a running daemon in a network namespace of its own.
type lab struct {
	t      *testing.T
	dir    string
	client *control.Client
	log    *logBuffer
	stop   func()
}

// newLab writes a configuration whose DIR stands for a directory of the lab's
// own; nothing runs yet.
func newLab(t *testing.T, toml string) *lab {
	t.Helper()
	netnstest.Require(t)
	// Not t.TempDir: the path of a socket has at most 107 bytes.
	dir, err := os.MkdirTemp("", "p2pban")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := &lab{t: t, dir: dir, log: &logBuffer{}}
	l.configure(toml)
	l.client = control.NewClient(filepath.Join(dir, "sock"))
	return l
}

func (l *lab) configure(toml string) {
	l.t.Helper()
	text := strings.ReplaceAll(toml, "DIR", l.dir) + fmt.Sprintf("\n[daemon]\nsocket = %q\nstate = %q\n", filepath.Join(l.dir, "sock"), filepath.Join(l.dir, "state.db"))
	if err := os.WriteFile(filepath.Join(l.dir, "p2pban.toml"), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) load() (*config.Config, error) { return config.Load(filepath.Join(l.dir, "p2pban.toml")) }

// start runs the daemon until stop is called or the test ends.
func (l *lab) start() {
	l.t.Helper()
	cfg, err := l.load()
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Config: cfg, Load: l.load, Log: slog.New(slog.NewTextHandler(l.log, nil)), Out: io.Discard, Version: "test"})
	}()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Errorf("the daemon ended with %v", err)
		}
	})
	l.t.Cleanup(func() {
		l.stop()
		if l.t.Failed() {
			l.t.Logf("the daemon's log:\n%s", l.log)
		}
	})
	l.wait("the daemon to answer", func() bool {
		s, err := l.client.Status(l.t.Context())
		return err == nil && s.Firewall.Healthy
	})
	// A file is followed from its end on, so nothing may be written before that is known.
	l.wait("the sources to be read", func() bool {
		s, err := l.client.Status(l.t.Context())
		return err == nil && !slices.ContainsFunc(s.Sources, func(s control.SourceStatus) bool { return s.State == stateStarting || s.Lag > 0 })
	})
}

func (l *lab) wait(what string, ok func() bool) {
	l.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("waited %v in vain for %s\nthe daemon's log:\n%s", patience, what, l.log)
		}
	}
}

// logBuffer keeps what the daemon logs.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// statusLine is a line of go-libp2p v0.51 that accuses addr now.
func statusLine(addr netip.Addr) string { return statusLineAt(time.Now(), addr) }

func statusLineAt(at time.Time, addr netip.Addr) string {
	kind := "ip4"
	if addr.Is6() {
		kind = "ip6"
	}
	return fmt.Sprintf("time=%s level=INFO source=swarm/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer=12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4 addr=/%s/%s/tcp/49692 sample_rate=100 connection_status=established dir=inbound\n",
		at.UTC().Format("2006-01-02T15:04:05.000Z07:00"), kind, addr)
}

// accuse appends lines that accuse addr to a file.
func (l *lab) accuse(file string, addr netip.Addr, lines int) {
	l.t.Helper()
	for range lines {
		l.append(file, statusLine(addr))
	}
}

func (l *lab) append(file, text string) {
	l.t.Helper()
	f, err := os.OpenFile(filepath.Join(l.dir, file), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		l.t.Fatal(err)
	}
}

// table is our table as nft shows it, empty when there is none.
func table(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(netnstest.LookPath(t, "nft"), "list", "table", "inet", "p2pban").CombinedOutput()
	if err != nil && !strings.Contains(string(out), "No such file") {
		t.Fatalf("nft: %v: %s", err, out)
	}
	return string(out)
}

// inKernel tells whether the kernel's sets hold an element.
func inKernel(t *testing.T, element string) bool {
	return strings.Contains(table(t), " "+element+" ") // what follows differs between versions of nft
}

// liveConfig reads a log from its start: a test may write its first line before
// the source has looked for the file.
const liveConfig = `
[source.node]
file = "DIR/node.log"
fromstart = true
[jail.quick]
rules    = ["go-libp2p/connection"]
findtime = "1m"
maxretry = 300
bantime  = "1h"
[jail.brief]
rules    = ["go-libp2p/handshake"]
findtime = "1m"
maxretry = 1
bantime  = "2s"
`

// network joins the namespace the daemon runs in with one of strangers, and
// gives a probe: does a TCP connection from addr to the node work?
func network(t *testing.T) (reaches func(from netip.Addr) bool) {
	t.Helper()
	here, there := netnstest.Here(t), netnstest.New(t)
	cidr := func(addrs ...netip.Addr) (out []netip.Prefix) {
		for _, a := range addrs {
			out = append(out, netip.PrefixFrom(a, map[bool]int{true: 24, false: 64}[a.Is4()]))
		}
		return out
	}
	name := fmt.Sprintf("v%d", time.Now().UnixNano()%1e9)
	netnstest.Veth(here, name+"a", cidr(node, netip.MustParseAddr("2001:db8:a:1::1")), there, name+"b", cidr(hostile, honest, netip.MustParseAddr("2001:db8:a:1::66")))
	server, err := net.Listen("tcp", net.JoinHostPort(node.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return func(from netip.Addr) (ok bool) {
		there.Do(func() {
			d := net.Dialer{Timeout: 300 * time.Millisecond, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
			c, err := d.Dial("tcp", server.Addr().String())
			if err == nil {
				c.Close()
			}
			ok = err == nil
		})
		return ok
	}
}

// TestFromLineToKernel is the whole way: lines in a file, a ban in the kernel,
// packets dropped, others passed, the ban lifted by hand, kept over a restart.
func TestFromLineToKernel(t *testing.T) {
	l := newLab(t, liveConfig)
	reaches := network(t)
	l.start()
	if !reaches(hostile) || !reaches(honest) {
		t.Fatal("the network does not work even without a ban")
	}
	l.accuse("node.log", hostile, 2)
	l.accuse("node.log", honest, 2)
	l.wait("the lines to be judged", func() bool {
		s, err := l.client.Status(t.Context())
		return err == nil && s.Events == 4
	})
	if inKernel(t, hostile.String()) || !reaches(hostile) {
		t.Fatal("banned below maxretry")
	}
	l.accuse("node.log", hostile, 1)
	l.accuse("node.log", hostile6, 3)
	l.wait("the ban in the kernel", func() bool { return inKernel(t, hostile.String()) && inKernel(t, "2001:db8:a::") })
	if reaches(hostile) {
		t.Error("the banned host still gets through")
	}
	if !reaches(honest) {
		t.Error("an honest host is kept out")
	}

	l.stop()
	if !inKernel(t, hostile.String()) {
		t.Error("the ban was lifted when the daemon stopped")
	}
	if out, err := exec.Command("nft", "delete", "table", "inet", "p2pban").CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	l.start()
	if !inKernel(t, hostile.String()) || reaches(hostile) {
		t.Error("the ban was not put back at the restart")
	}
	var bans []control.Ban
	if err := l.client.Bans(t.Context(), "", func(b control.Ban) error { bans = append(bans, b); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(bans) != 2 || bans[0].Host != hostile || bans[0].Failures != 300 || bans[0].Rules["go-libp2p/connection"] != 3 {
		t.Errorf("bans after the restart: %+v", bans)
	}

	if _, err := l.client.Unban(t.Context(), control.UnbanRequest{Targets: []string{"/ip4/203.0.113.66/tcp/4001", "2001:db8:a::66"}}); err != nil {
		t.Fatal(err)
	}
	l.wait("the bans to be lifted", func() bool { return !inKernel(t, hostile.String()) && !inKernel(t, "2001:db8:a::") })
	if !reaches(hostile) {
		t.Error("the host is still kept out after its unban")
	}
	l.stop()
	l.start()
	if inKernel(t, hostile.String()) {
		t.Error("the lifted ban came back at the restart")
	}
}

// TestForeignFlush repairs what somebody else does to our table, and says so.
func TestForeignFlush(t *testing.T) {
	l := newLab(t, liveConfig)
	l.start()
	if _, err := l.client.Ban(t.Context(), control.BanRequest{Target: hostile.String()}); err != nil {
		t.Fatal(err)
	}
	l.wait("the ban in the kernel", func() bool { return inKernel(t, hostile.String()) })
	for i, ruleset := range []string{"flush ruleset", "delete table inet p2pban", "flush table inet p2pban"} {
		if out, err := exec.Command("nft", ruleset).CombinedOutput(); err != nil {
			t.Fatalf("nft %s: %v: %s", ruleset, err, out)
		}
		l.wait("the repair after "+ruleset, func() bool {
			s, err := l.client.Status(t.Context())
			return err == nil && s.Firewall.Repaired > int64(i) && s.Firewall.Healthy && inKernel(t, hostile.String()) && strings.Contains(table(t), "drop")
		})
	}
	l.wait("the alarm, with who did it", func() bool {
		s, err := l.client.Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Alarms, func(a control.Alarm) bool {
			return a.Kind == "repaired" && strings.Contains(a.What, "done by nft (pid") && strings.Contains(a.Fix, "flush ruleset")
		})
	})
}

// TestJournalToKernel reads the same from a live journald, and lets a short
// ban end by itself.
func TestJournalToKernel(t *testing.T) {
	journald := journaltest.Start(t)
	out := journald.Stream("kubo.service", "ipfs")
	fmt.Fprintln(out, "the first line, so that there is a journal")
	journald.Sync()
	l := newLab(t, strings.Replace(liveConfig, `file = "DIR/node.log"`, fmt.Sprintf("unit = \"kubo.service\"\ndirectory = %q", journald.Directory()), 1))
	l.start()
	io.WriteString(out, strings.Replace(statusLine(hostile), "connection_status=established dir=inbound", `handshake_failure=tls err=EOF`, 1))
	l.wait("the ban in the kernel", func() bool { return inKernel(t, hostile.String()) })
	l.wait("its end in the kernel", func() bool { return !inKernel(t, hostile.String()) })
	l.wait("its end in the daemon", func() bool {
		s, err := l.client.Status(t.Context())
		return err == nil && s.Bans == 0
	})
	if s, _ := l.client.Status(t.Context()); s.Events != 1 || s.Jails[0].Name != "brief" || s.Jails[0].Banned != 1 {
		t.Errorf("status after the ban: %+v", s)
	}
}

// TestBansByHand bans and refuses as an operator would ask.
func TestBansByHand(t *testing.T) {
	l := newLab(t, liveConfig)
	l.start()
	ctx := t.Context()
	bans, err := l.client.Ban(ctx, control.BanRequest{Target: "198.51.100.0/24", For: "-1", Reason: "abuse"})
	if err != nil || len(bans) != 1 || bans[0].Until != nil || bans[0].Jail != jail.Manual || bans[0].Reason != "abuse" {
		t.Errorf("a network for ever: %+v, %v", bans, err)
	}
	l.wait("the network in the kernel", func() bool { return strings.Contains(table(t), "198.51.100.0") })
	if _, err := l.client.Ban(ctx, control.BanRequest{Target: "/ip4/198.51.100.7/tcp/4001/p2p/12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4/p2p-circuit"}); err == nil {
		t.Error("the address of a circuit, which is its relay's, was banned")
	}
	for _, target := range []string{"127.0.0.1", "10.1.2.3", "192.168.0.0/16", "::1"} {
		_, err := l.client.Ban(ctx, control.BanRequest{Target: target})
		var e *control.Error
		if !errors.As(err, &e) || !strings.Contains(e.Hint, "--force") {
			t.Errorf("ban %s: %v, want a refusal that names --force", target, err)
		}
	}
	if _, err := l.client.Ban(ctx, control.BanRequest{Target: "10.1.2.3", Force: true, For: "10m"}); err != nil {
		t.Errorf("a forced ban: %v", err)
	}
	reply, err := l.client.Unban(ctx, control.UnbanRequest{Targets: []string{"198.51.100.9", "192.0.2.1"}})
	if err != nil || len(reply.Lifted) != 0 || reply.Covered["198.51.100.9"].String() != "198.51.100.0/24" || !slices.Equal(reply.NotBanned, []string{"192.0.2.1"}) {
		t.Errorf("unban of a covered and of a free address: %+v, %v", reply, err)
	}
	reply, err = l.client.Unban(ctx, control.UnbanRequest{All: true})
	if err != nil || len(reply.Lifted) != 2 {
		t.Errorf("unban of all: %+v, %v", reply, err)
	}
	l.wait("all to be gone from the kernel", func() bool { return !strings.Contains(table(t), "198.51.100.0") && !inKernel(t, "10.1.2.3") })
}

// TestReload changes jails and sources of a running daemon and keeps what it knows.
func TestReload(t *testing.T) {
	l := newLab(t, liveConfig)
	l.start()
	l.accuse("node.log", hostile, 2)
	l.wait("the lines to be judged", func() bool {
		s, err := l.client.Status(t.Context())
		return err == nil && s.Events == 2
	})
	l.configure(strings.Replace(liveConfig, "maxretry = 300", "maxretry = 0", 1))
	if _, err := l.client.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "p2pban.toml:8") || !strings.Contains(err.Error(), "old configuration") {
		t.Errorf("a bad configuration: %v, want it refused with its place", err)
	}
	l.configure(strings.Replace(liveConfig, "node.log", "other.log", 1))
	reply, err := l.client.Reload(t.Context())
	if err != nil || !slices.Equal(reply.Changes, []string{"source node changed"}) {
		t.Fatalf("reload: %+v, %v", reply, err)
	}
	l.accuse("other.log", hostile, 1)
	l.wait("the third line, in the new file, to ban", func() bool { return inKernel(t, hostile.String()) })
}

// TestSourceComesBack has one reload take a source away and the next bring it back,
// without a restart in between or with one: it goes on where it was. What had been
// judged does not count twice, not with fromstart either, and what was logged
// meanwhile counts.
func TestSourceComesBack(t *testing.T) {
	both := liveConfig + "[source.other]\nfile = \"DIR/other.log\"\n"
	from, to := strings.Index(both, "[source.node]"), strings.Index(both, "[jail")
	alone := both[:from] + both[to:]
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarted %v", restarted), func(t *testing.T) {
			l := newLab(t, both)
			l.accuse("node.log", hostile, 2)
			l.start()
			l.wait("the lines to be judged", func() bool {
				s, err := l.client.Status(t.Context())
				return err == nil && s.Events == 2
			})
			reload := func(toml, want string) {
				l.configure(toml)
				if reply, err := l.client.Reload(t.Context()); err != nil || !slices.Equal(reply.Changes, []string{want}) {
					t.Fatalf("reload: %+v, %v; want %q", reply, err, want)
				}
			}
			reload(alone, "source node is gone")
			if restarted {
				l.stop()
				l.start()
			}
			l.accuse("node.log", hostile6, 3)
			reload(both, "source node is new")
			l.wait("the ban by what was logged meanwhile", func() bool { return inKernel(t, "2001:db8:a::") })
			if inKernel(t, hostile.String()) {
				t.Error("two lines were counted twice")
			}
			l.accuse("node.log", hostile, 1)
			l.wait("the third line to ban", func() bool { return inKernel(t, hostile.String()) })
		})
	}
}

// TestReloadWithoutAJail tells that its bans go with it.
func TestReloadWithoutAJail(t *testing.T) {
	l := newLab(t, liveConfig)
	l.start()
	l.accuse("node.log", hostile, 3)
	l.wait("the ban", func() bool { return inKernel(t, hostile.String()) })
	l.configure(strings.Replace(liveConfig, "jail.quick", "jail.swift", 1))
	reply, err := l.client.Reload(t.Context())
	want := []string{"jail quick is gone, and its bans are lifted: 1", "the other jails changed; windows and bans are kept"}
	if err != nil || !slices.Equal(reply.Changes, want) {
		t.Errorf("reload: %+v, %v; want %q", reply, err, want)
	}
	l.wait("the end of the ban", func() bool { return !inKernel(t, hostile.String()) })
	if reply, err = l.client.Reload(t.Context()); err != nil || reply.Changes == nil || len(reply.Changes) > 0 {
		t.Errorf("a second reload: %+v, %v; want an empty list", reply, err)
	}
}

// TestReloadSaysWhomItLetsIn: an operator who names a banned host in ignoreip hears
// which jail let it in, for another may keep it out.
func TestReloadSaysWhomItLetsIn(t *testing.T) {
	l := newLab(t, liveConfig)
	l.start()
	l.accuse("node.log", hostile, 3)
	l.wait("the ban", func() bool { return inKernel(t, hostile.String()) })
	l.configure(strings.Replace(liveConfig, "[jail.quick]", "[jail.quick]\nignoreip = [\""+hostile.String()+"\"]", 1))
	reply, err := l.client.Reload(t.Context())
	want := []string{"jail quick lifts bans of hosts that its ignoreip now names: 1", "the jails changed; windows and all other bans are kept"}
	if err != nil || !slices.Equal(reply.Changes, want) {
		t.Errorf("reload: %+v, %v; want %q", reply, err, want)
	}
	l.wait("the end of the ban", func() bool { return !inKernel(t, hostile.String()) })
}

// TestMovedConfig tells that the configuration's file came or went.
func TestMovedConfig(t *testing.T) {
	for _, tt := range []struct{ old, now, want string }{
		{"/a.toml", "/a.toml", ""},
		{"", "", ""},
		{"/a.toml", "", "/a.toml is gone, so the built-in defaults are read"},
		{"", "/a.toml", "/a.toml is read now"},
	} {
		if got := movedConfig(tt.old, tt.now); got != tt.want {
			t.Errorf("from %q to %q: %q, want %q", tt.old, tt.now, got, tt.want)
		}
	}
}

// TestSecondDaemon must not disturb the first.
func TestSecondDaemon(t *testing.T) {
	l := newLab(t, liveConfig)
	l.start()
	cfg, err := l.load()
	if err != nil {
		t.Fatal(err)
	}
	err = Run(t.Context(), Options{Config: cfg, Log: slog.New(slog.DiscardHandler), Out: io.Discard})
	if !errors.Is(err, control.ErrRunning) {
		t.Errorf("a second daemon ended with %v, want ErrRunning", err)
	}
	if s, err := l.client.Status(t.Context()); err != nil || !s.Firewall.Healthy {
		t.Errorf("the first daemon: %+v, %v", s, err)
	}
}

// TestDamagedState keeps the file, says so, and goes on.
func TestDamagedState(t *testing.T) {
	l := newLab(t, liveConfig)
	path := filepath.Join(l.dir, "state.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	l.start()
	kept, err := filepath.Glob(path + ".damaged-*")
	if err != nil || len(kept) == 0 {
		t.Fatalf("the damaged file is gone: %v, %v", kept, err)
	}
	if !strings.Contains(l.log.String(), kept[0]) {
		t.Errorf("the log does not name %s", kept[0])
	}
	alarms := func() string {
		s, err := l.client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(s.Alarms)
	}
	l.wait("an alarm that names it", func() bool { return strings.Contains(alarms(), kept[0]) })
	l.stop()
	l.start()
	l.wait("that alarm after another start", func() bool { return strings.Contains(alarms(), kept[0]+": that was at an earlier start") })
	if err := os.Rename(kept[0], filepath.Join(l.dir, "looked-at")); err != nil {
		t.Fatal(err)
	}
	l.wait("its end", func() bool { return !strings.Contains(alarms(), kept[0]) })
}

// TestDoors brings a ban to a deny list beside the firewall, and takes it out
// of both.
func TestDoors(t *testing.T) {
	l := newLab(t, liveConfig+"\n[firewall]\ndenyfile = \"DIR/deny.txt\"\n")
	deny := func() string {
		b, err := os.ReadFile(filepath.Join(l.dir, "deny.txt"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	l.start()
	l.accuse("node.log", hostile, 3)
	const entry = "/ip4/203.0.113.66/ipcidr/32\n"
	l.wait("the ban in both", func() bool { return inKernel(t, hostile.String()) && strings.Contains(deny(), entry) })
	if s, err := l.client.Status(t.Context()); err != nil || len(s.Doors) != 1 || s.Doors[0].Backend != "denyfile" || !s.Doors[0].Healthy {
		t.Errorf("status: %+v, %v", s, err)
	}
	if _, err := l.client.Unban(t.Context(), control.UnbanRequest{All: true}); err != nil {
		t.Fatal(err)
	}
	l.wait("its end in both", func() bool { return !inKernel(t, hostile.String()) && !strings.Contains(deny(), "203.0.113.66") })
}

// TestLeak goes on logging about a banned host: the alarm names it and the
// likely cause. Then packets of the host are dropped, and counted with the ban.
func TestLeak(t *testing.T) {
	l := newLab(t, liveConfig)
	reaches := network(t)
	l.start()
	l.accuse("node.log", hostile, 3)
	l.wait("the ban in the kernel", func() bool { return inKernel(t, hostile.String()) })
	l.append("node.log", statusLineAt(time.Now().Add(31*time.Second), hostile)) // which can't have been under way
	l.wait("the alarm with its cause", func() bool {
		s, err := l.client.Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Alarms, func(a control.Alarm) bool {
			return a.Kind == "after-ban" && strings.Contains(a.What, "203.0.113.66/32") && strings.Contains(a.Fix, "has dropped nothing")
		})
	})
	if reaches(hostile) {
		t.Error("the banned host gets through")
	}
	dropped := uint64(0)
	err := l.client.Bans(t.Context(), "quick", func(b control.Ban) error { dropped = b.Dropped; return nil })
	if err != nil || dropped == 0 {
		t.Errorf("%d packets dropped, %v; the connection that failed sent at least one", dropped, err)
	}
}

// TestOneSourceFails starts with a journal that is not there: the other source
// is read, the alarm says what is missing, and reading begins once it is there.
func TestOneSourceFails(t *testing.T) {
	journald := journaltest.Start(t)
	l := newLab(t, liveConfig+"\n[source.late]\nunit = \"late.service\"\ndirectory = \"DIR/journal\"\nfromstart = true\n")
	l.start()
	l.accuse("node.log", hostile, 3)
	l.wait("the ban in the kernel", func() bool { return inKernel(t, hostile.String()) })
	l.wait("the alarm", func() bool {
		s, err := l.client.Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Alarms, func(a control.Alarm) bool {
			return a.Kind == "source" && strings.Contains(a.What, "late") && strings.Contains(a.What, "journal")
		})
	})
	out := journald.Stream("late.service", "late")
	for range 3 {
		io.WriteString(out, statusLine(honest))
	}
	journald.Sync()
	if err := os.Symlink(journald.Directory(), filepath.Join(l.dir, "journal")); err != nil {
		t.Fatal(err)
	}
	l.wait("the late source to be judged", func() bool { return inKernel(t, honest.String()) })
	l.wait("the alarm to be over", func() bool {
		s, err := l.client.Status(t.Context())
		return err == nil && len(s.Alarms) == 0
	})
}
