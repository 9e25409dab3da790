package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// desk is a daemon that answers from memory.
type desk struct {
	bans   []Ban
	broken error // what Bans ends with
	events chan Event
	asked  chan any
}

func (d *desk) Status(context.Context) (*Status, error) {
	return &Status{Version: "v1", Bans: len(d.bans)}, nil
}
func (d *desk) Jail(_ context.Context, name string) (*JailDetail, error) {
	return &JailDetail{JailStatus: JailStatus{Name: name}}, nil
}
func (d *desk) Host(_ context.Context, target string) ([]HostStatus, error) {
	return []HostStatus{{Jail: target}}, nil
}
func (d *desk) History(_ context.Context, target string, limit int) ([]Past, error) {
	if target == "nobody" {
		return nil, &Error{Status: http.StatusBadRequest, What: "nobody is no address"}
	}
	past := []Past{}
	for i, b := range d.bans[:min(limit, len(d.bans))] {
		past = append(past, Past{Action: []string{"ban", "held"}[i%2], Ban: b})
	}
	return past, nil
}
func (d *desk) Nearest(_ context.Context, limit int) ([]HostStatus, error) {
	return []HostStatus{{Jail: "a", Failures: int64(limit), Allowed: 9000}}, nil
}
func (d *desk) Bans(_ context.Context, jail string, yield func(Ban) error) error {
	for _, b := range d.bans {
		if jail != "" && b.Jail != jail {
			continue
		}
		if err := yield(b); err != nil {
			return err
		}
	}
	return d.broken
}
func (d *desk) Ban(_ context.Context, r BanRequest) ([]Ban, error) {
	d.asked <- r
	if r.Target == "127.0.0.1" {
		return nil, &Error{Status: http.StatusConflict, What: "127.0.0.1 is loopback", Hint: "--force bans it all the same"}
	}
	return d.bans[:1], nil
}
func (d *desk) Unban(_ context.Context, r UnbanRequest) (*UnbanReply, error) {
	d.asked <- r
	return &UnbanReply{NotBanned: r.Targets}, nil
}
func (d *desk) Reload(context.Context) (*ReloadReply, error) { return nil, errors.New("no such file") }
func (d *desk) Events() (<-chan Event, func())               { return d.events, func() {} }

func ban(addr, jail string) Ban {
	a := netip.MustParseAddr(addr)
	end := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Ban{Time: end.Add(-time.Hour), Jail: jail, Host: a, Prefix: netip.PrefixFrom(a, a.BitLen()), Until: &end, Failures: 9000, Rules: map[string]int{"go-libp2p/connection": 90}}
}

// serve starts a server on a socket of its own and gives a client for it.
func serve(t *testing.T, d Daemon) (*Client, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sub", "p2pban.sock")
	l, err := Listen(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&Server{Listener: l, Daemon: d, Log: slog.New(slog.DiscardHandler)}).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return NewClient(path), path
}

var samePrefix = cmp.Options{cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})}

func TestRequestsAndAnswers(t *testing.T) {
	d := &desk{bans: []Ban{ban("192.0.2.7", "a"), ban("2001:db8::7", "b")}, asked: make(chan any, 1)}
	c, _ := serve(t, d)
	ctx := t.Context()

	s, err := c.Status(ctx)
	if err != nil || s.Version != "v1" || s.Bans != 2 {
		t.Errorf("Status = %+v, %v", s, err)
	}
	if j, err := c.Jail(ctx, "a&b"); err != nil || j.Name != "a&b" {
		t.Errorf("Jail = %+v, %v", j, err)
	}
	if h, err := c.Host(ctx, "2001:db8::7"); err != nil || len(h) != 1 || h[0].Jail != "2001:db8::7" {
		t.Errorf("Host = %+v, %v", h, err)
	}
	var got []Ban
	list := func(b Ban) error { got = append(got, b); return nil }
	if err := c.Bans(ctx, "", list); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.bans, got, samePrefix); diff != "" {
		t.Errorf("Bans (-want +got):\n%s", diff)
	}
	got = nil
	if err := c.Bans(ctx, "b", list); err != nil || len(got) != 1 || got[0].Jail != "b" {
		t.Errorf("Bans of jail b = %v, %v", got, err)
	}
	if err := c.Bans(ctx, "none", list); err != nil || len(got) != 1 {
		t.Errorf("Bans of an empty jail: %v, %v", got, err)
	}
	want := BanRequest{Target: "192.0.2.7", For: "1h", Reason: "r", Force: true}
	if _, err := c.Ban(ctx, want); err != nil {
		t.Error(err)
	}
	if r := <-d.asked; r != want {
		t.Errorf("the daemon was asked %+v, want %+v", r, want)
	}
	if r, err := c.Unban(ctx, UnbanRequest{Targets: []string{"x"}}); err != nil || len(r.NotBanned) != 1 {
		t.Errorf("Unban = %+v, %v", r, err)
	}
}

func TestRefusalsComeBackWhole(t *testing.T) {
	d := &desk{asked: make(chan any, 1)}
	c, path := serve(t, d)
	_, err := c.Ban(t.Context(), BanRequest{Target: "127.0.0.1"})
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusConflict || e.What != "127.0.0.1 is loopback" || e.Hint == "" {
		t.Errorf("refused ban: %#v", err)
	}
	<-d.asked
	if _, err := c.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("failed reload: %v", err)
	}
	for name, req := range map[string]string{
		"unknown path":  "GET /v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"wrong method":  "GET /v1/ban HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"unknown field": "POST /v1/ban HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 12\r\n\r\n{\"host\":\"x\"}",
		"two objects":   "POST /v1/ban HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 41\r\n\r\n{\"target\":\"45.0.0.1\"}{\"target\":\"x\"}   \n",
		"no JSON":       "POST /v1/ban HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nhey",
	} {
		answer := raw(t, path, req)
		if !strings.HasPrefix(answer, "HTTP/1.1 4") || !strings.Contains(answer, `{"error":"`) {
			t.Errorf("%s: answer %q, want a 4xx with a JSON error", name, answer)
		}
	}
	if len(d.asked) > 0 {
		t.Errorf("the daemon was asked %v", <-d.asked)
	}
}

func raw(t *testing.T, path, req string) string {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, req)
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestListBrokenOff(t *testing.T) {
	d := &desk{bans: []Ban{ban("192.0.2.7", "a")}, broken: errors.New("disk gone")}
	c, _ := serve(t, d)
	n := 0
	err := c.Bans(t.Context(), "", func(Ban) error { n++; return nil })
	if n != 1 || err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("a list cut short gave %d bans and %v, want an error that says so", n, err)
	}
	d.bans = nil
	if err := c.Bans(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), "disk gone") {
		t.Errorf("a list that fails at once: %v", err)
	}
}

func TestEventsStream(t *testing.T) {
	d := &desk{events: make(chan Event, 2)}
	c, _ := serve(t, d)
	b := ban("192.0.2.7", "a")
	d.events <- Event{Type: "ban", Ban: &b}
	d.events <- Event{Type: "lost", Lost: 3}
	ctx, cancel := context.WithCancel(t.Context())
	var types []string
	err := c.Events(ctx, func(e Event) error {
		if types = append(types, e.Type); len(types) == 2 {
			cancel()
		}
		return nil
	})
	if err != nil || fmt.Sprint(types) != "[ban lost]" {
		t.Errorf("events = %v, %v", types, err)
	}
}

func TestTooManyClients(t *testing.T) {
	d := &desk{events: make(chan Event)}
	c, path := serve(t, d)
	ready := make(chan struct{})
	for range MaxClients {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
		go func() {
			conn.Read(make([]byte, 1)) // the head of the answer: it has its place
			ready <- struct{}{}
		}()
	}
	for range MaxClients {
		<-ready
	}
	_, err := c.Status(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable {
		t.Errorf("client %d got %v, want 503", MaxClients+1, err)
	}
}

// counted is a listener that knows how many of its connections are open.
type counted struct {
	net.Listener
	open, most atomic.Int64
}

func (l *counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if n := l.open.Add(1); n > l.most.Load() { // one goroutine accepts
		l.most.Store(n)
	}
	return &countedConn{Conn: c, closed: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error { c.closed(); return c.Conn.Close() }

// TestManyConnections opens many that never finish a request: they take no more
// than their share of file descriptors, and an operator is served in the end.
func TestManyConnections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p2pban.sock")
	inner, err := Listen(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l := &counted{Listener: inner}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&Server{Listener: l, Daemon: &desk{}, Log: slog.New(slog.DiscardHandler)}).Run(ctx) }()
	for i := range 2 * MaxConnections {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /v1/st"[:i%10])
	}
	if _, err := NewClient(path).Status(t.Context()); err != nil {
		t.Errorf("Status behind %d connections: %v", 2*MaxConnections, err)
	}
	if most := l.most.Load(); most > MaxConnections {
		t.Errorf("%d connections were open at once, want at most %d", most, MaxConnections)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v; want 0660", info.Mode(), err)
	}
	if _, err := Listen(path, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrRunning) {
		t.Errorf("a second daemon: %v, want ErrRunning", err)
	} else if text := err.Error(); !strings.Contains(text, path) || !strings.Contains(text, "systemctl status p2pban") {
		t.Errorf("a second daemon: %q, want the socket, and what shows the other one", text)
	}
	// A daemon that was killed leaves its socket behind.
	l.(*standing).now.Close()
	if l, err = Listen(path, slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("a dead socket is in the way: %v", err)
	} else {
		l.Close()
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("Listen took the place of a file")
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file now holds %q", b)
	}
}

func TestNoDaemon(t *testing.T) {
	_, err := NewClient(filepath.Join(t.TempDir(), "none.sock")).Status(t.Context())
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.What, "none.sock") || !strings.Contains(e.Hint, "p2pban run") {
		t.Errorf("error %v, want one that names the socket and says how to start the daemon", err)
	}
}

// TestListenAtOnce has several daemons find a dead socket at the same instant: one
// gets its place, and can be reached, and the others are told of it.
func TestListenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for range 50 {
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
		if err != nil {
			t.Fatal(err)
		}
		dead.SetUnlinkOnClose(false)
		dead.Close()
		const daemons = 8
		var listeners [daemons]net.Listener
		var errs [daemons]error
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i := range daemons {
			all.Go(func() {
				<-begin
				listeners[i], errs[i] = Listen(path, slog.New(slog.DiscardHandler))
			})
		}
		close(begin)
		all.Wait()
		won := 0
		for i, l := range listeners {
			if errs[i] != nil {
				if !errors.Is(errs[i], ErrRunning) {
					t.Errorf("%v, want ErrRunning", errs[i])
				}
				continue
			}
			won++
			if !l.(*standing).stands() {
				t.Error("the socket of a daemon that runs was removed")
			}
			l.Close()
		}
		if won != 1 {
			t.Fatalf("%d daemons listen, want one", won)
		}
	}
}

// TestListenFollowsNoLink holds that whoever may write beside the socket does not
// have the daemon open another file.
func TestListenFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), path+".lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), path+".lock") {
		t.Errorf("%v, want an error that names the link", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the link was followed: %v", err)
	}
}
