package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/internal/netnstest"
)

var (
	soak     = flag.Duration("soak", 20*time.Second, "how long TestSoak disturbs the daemon")
	soakSeed = flag.Uint64("soakseed", uint64(time.Now().UnixNano()), "what TestSoak does in which order")
)

// soakPatience bounds every wait; a daemon that is starved of CPU takes its time.
const soakPatience = 2 * time.Minute

// soakConfig bans at the third line and forgets nothing during the test.
const soakConfig = `
[source.node]
file = "DIR/node.log"
fromstart = true
[jail.soak]
rules    = ["go-libp2p/connection"]
findtime = "1d"
maxretry = 3
bantime  = "1d"
guard    = false
[daemon]
socket = "DIR/sock"
state  = "DIR/state.db"
`

// TestSoak writes lines about many hosts while it rotates the log, reloads and
// kills the daemon, and flushes the firewall, all at random. At the end every
// line is accounted for: a host below maxretry has exactly as many failures as
// lines, one at or above it is banned, in the state and in the kernel.
func TestSoak(t *testing.T) {
	netnstest.Require(t)
	s := newSoak(t)
	t.Logf("-soakseed=%d", *soakSeed)
	s.begin()
	for end := time.Now().Add(*soak); time.Now().Before(end); {
		switch s.rand.IntN(40) {
		case 0:
			s.rotate()
		case 1:
			s.nft("flush ruleset")
		case 2:
			s.answers() // one that only just begins does not know the signal yet
			s.daemon.Process.Signal(syscall.SIGHUP)
		case 3:
			s.restart(syscall.SIGKILL)
		case 4:
			s.restart(syscall.SIGTERM)
		default:
			s.write(1 + s.rand.IntN(20))
		}
		time.Sleep(time.Duration(s.rand.IntN(30)) * time.Millisecond)
	}
	s.settle()
	s.compare()
}

type soaker struct {
	t      *testing.T
	dir    string
	rand   *rand.Rand
	daemon *exec.Cmd
	client *control.Client
	log    *os.File
	// lines are those written, by host: how often the log had been rotated then.
	lines  map[netip.Addr][]int
	turned int // rotations
}

func newSoak(t *testing.T) *soaker {
	dir, err := os.MkdirTemp("", "p2pban")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &soaker{
		t: t, dir: dir, rand: rand.New(rand.NewPCG(*soakSeed, 0)), lines: map[netip.Addr][]int{},
		client: control.NewClient(filepath.Join(dir, "sock")),
	}
	if err := os.WriteFile(s.path("p2pban.toml"), []byte(strings.ReplaceAll(soakConfig, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.openLog()
	t.Cleanup(func() { s.end(syscall.SIGKILL); s.nft("flush ruleset") })
	return s
}

func (s *soaker) path(name string) string { return filepath.Join(s.dir, name) }

func (s *soaker) openLog() {
	f, err := os.OpenFile(s.path("node.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	s.log = f
}

// begin starts the first daemon, which knows of no log yet. What is written once
// it has said that it is ready must be found however soon it is rotated away and
// the daemon killed; what was written before is there when it looks.
func (s *soaker) begin() {
	s.write(5)
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: s.path("notify")})
	if err != nil {
		s.t.Fatal(err)
	}
	defer notify.Close()
	s.start("NOTIFY_SOCKET=" + s.path("notify"))
	if err := notify.SetReadDeadline(time.Now().Add(soakPatience)); err != nil {
		s.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for told := ""; told != "READY=1"; {
		n, err := notify.Read(buf)
		if err != nil {
			s.t.Fatalf("the daemon does not get ready: %v", err)
		}
		told = string(buf[:n])
	}
	s.write(5)
	s.rotate()
	s.write(5)
	s.rotate()
	s.restart(syscall.SIGKILL)
}

// start starts the daemon: this test binary, as a script would run it.
func (s *soaker) start(env ...string) {
	exe, err := exec.LookPath("p2pban") // the command of the scripts, see TestMain
	if err != nil {
		s.t.Fatal(err)
	}
	s.daemon = exec.Command(exe, "run", "--config", s.path("p2pban.toml"))
	s.daemon.Env = append(os.Environ(), env...)
	if s.daemon.Stderr, err = os.OpenFile(s.path("daemon.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := s.daemon.Start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *soaker) end(sig syscall.Signal) {
	s.daemon.Process.Signal(sig)
	if err := s.daemon.Wait(); err != nil && sig != syscall.SIGKILL {
		s.t.Errorf("the daemon ended with %v", err)
	}
}

func (s *soaker) restart(sig syscall.Signal) {
	if sig == syscall.SIGTERM {
		s.answers()
	}
	s.end(sig)
	s.write(s.rand.IntN(5)) // while it is down
	s.start()
}

// write appends lines about hosts of 198.52.0.0/15, ordinary ones that nothing in
// this network namespace reaches, so many that at the end some are banned and
// some are not.
func (s *soaker) write(n int) {
	hosts := min(1<<17, 500*int(soak.Seconds()))
	for range n {
		k := s.rand.IntN(hosts)
		s.line(netip.AddrFrom4([4]byte{198, 52 + byte(k>>16), byte(k >> 8), byte(k)}))
	}
}

func (s *soaker) line(host netip.Addr) {
	_, err := fmt.Fprintf(s.log, "time=%s level=INFO source=x.go:1 msg=CANONICAL_PEER_STATUS peer=\"\" addr=/ip4/%s/tcp/1 sample_rate=1 connection_status=established dir=inbound\n",
		time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"), host)
	if err != nil {
		s.t.Fatal(err)
	}
	s.lines[host] = append(s.lines[host], s.turned)
}

// rotate is logrotate's way: each old file gets the next number, and the
// writer goes on with the last one for a few lines.
func (s *soaker) rotate() {
	for i := s.turned; i >= 0; i-- {
		from := s.path("node.log")
		if i > 0 {
			from = s.path(fmt.Sprintf("node.log.%d", i))
		}
		if err := os.Rename(from, s.path(fmt.Sprintf("node.log.%d", i+1))); err != nil {
			s.t.Fatal(err)
		}
	}
	s.write(s.rand.IntN(5))
	s.turned++
	s.log.Close()
	s.openLog()
}

func (s *soaker) nft(ruleset string) {
	if out, err := exec.Command(netnstest.LookPath(s.t, "nft"), ruleset).CombinedOutput(); err != nil {
		s.t.Fatalf("nft %s: %v: %s", ruleset, err, out)
	}
}

func (s *soaker) answers() *control.Status {
	var st *control.Status
	s.wait("the daemon to answer", func() (err error) {
		st, err = s.client.Status(context.Background())
		return err
	})
	return st
}

func (s *soaker) wait(what string, ok func() error) {
	s.t.Helper()
	for end := time.Now().Add(soakPatience); ; time.Sleep(20 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(s.path("daemon.log"))
			s.t.Fatalf("waited in vain for %s: %v\n%s", what, err, log[max(0, len(log)-4000):])
		}
	}
}

// settle waits until all that was written is read, saved, and in the firewall. A
// daemon that has only just begun does not know what it has yet to read, so a
// last line, about a host of its own, says when all before it are judged.
func (s *soaker) settle() {
	last := netip.MustParseAddr("203.0.113.1")
	s.line(last)
	s.wait("the daemon to be done", func() error {
		known, err := s.client.Host(context.Background(), last.String())
		if err != nil || len(known) == 0 {
			return fmt.Errorf("the last line is not judged: %v", err)
		}
		st := s.answers()
		if src := st.Sources[0]; src.Lag != 0 || !st.Firewall.Healthy || st.Firewall.Waiting > 0 {
			return fmt.Errorf("source %+v, firewall %+v", src, st.Firewall)
		}
		// Bans are listed as they are saved, which is after they are enforced.
		if saved := len(s.banned()); saved != st.Bans {
			return fmt.Errorf("%d of %d bans are saved", saved, st.Bans)
		}
		// What was flushed a moment ago the daemon may not have heard of yet.
		_, err = s.inKernel()
		return err
	})
}

// banned are the hosts whose bans are saved.
func (s *soaker) banned() map[netip.Addr]bool {
	banned := map[netip.Addr]bool{}
	if err := s.client.Bans(s.t.Context(), "soak", func(b control.Ban) error { banned[b.Host] = true; return nil }); err != nil {
		s.t.Fatal(err)
	}
	return banned
}

// inKernel are the words of the firewall's table, the addresses that are out
// among them.
func (s *soaker) inKernel() (map[string]bool, error) {
	table, err := exec.Command(netnstest.LookPath(s.t, "nft"), "list", "table", "inet", "p2pban").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("nft: %w: %s", err, table)
	}
	words := map[string]bool{}
	for _, word := range strings.Fields(string(table)) {
		words[word] = true
	}
	return words, nil
}

// compare holds the daemon and the kernel to what was written.
func (s *soaker) compare() {
	banned := s.banned()
	kernel, err := s.inKernel()
	if err != nil {
		s.t.Fatal(err)
	}
	total := 0
	for host, lines := range s.lines {
		total += len(lines)
		out := kernel[host.String()]
		if want := len(lines) >= 3; banned[host] != want || out != want {
			s.t.Errorf("%s with lines in files %v: banned %v, in the kernel %v", host, lines, banned[host], out)
		}
		if len(lines) >= 3 {
			continue
		}
		known, err := s.client.Host(s.t.Context(), host.String())
		if err != nil || len(known) != 1 || known[0].Failures != int64(len(lines)) {
			s.t.Errorf("%s with lines in files %v: %+v, %v", host, lines, known, err)
		}
	}
	if len(banned) == 0 || s.turned == 0 {
		s.t.Errorf("%d bans and %d rotations: nothing was shown", len(banned), s.turned)
	}
	if src := s.answers().Sources[0]; src.State != "reading" {
		s.t.Errorf("the source says %q", src.State)
	}
	s.t.Logf("%d lines about %d hosts, %d banned, %d rotations", total, len(s.lines), len(banned), s.turned)
}
