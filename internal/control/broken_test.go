package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// instead has something else than a daemon on a socket: answer is what it does
// with each connection, which is read up to the end of a request's head.
func instead(t *testing.T, answer func(net.Conn)) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "odd.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			conn.Read(make([]byte, 4096))
			answer(conn)
		}
	}()
	return NewClient(path)
}

// TestNoGoodAnswer asks what is on the socket and does not answer as a daemon
// should: the operator is told what happened, on which socket, and what to do.
func TestNoGoodAnswer(t *testing.T) {
	const list = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n["
	say := func(text string) func(net.Conn) {
		return func(c net.Conn) { io.WriteString(c, text); c.Close() }
	}
	ctx := t.Context()
	status := func(c *Client) error { _, err := c.Status(ctx); return err }
	ban := func(c *Client) error { _, err := c.Ban(ctx, BanRequest{Target: "192.0.2.7"}); return err }
	bans := func(c *Client) error { return c.Bans(ctx, "", func(Ban) error { return nil }) }
	events := func(c *Client) error { return c.Events(ctx, func(Event) error { return nil }) }
	for name, tt := range map[string]struct {
		answer     func(net.Conn)
		ask        func(*Client) error
		what, hint string
	}{
		"silent":              {func(net.Conn) {}, status, "has not answered for 50ms", "systemctl status p2pban"},
		"silent to bans":      {func(net.Conn) {}, bans, "has not answered for 50ms", "systemctl status p2pban"},
		"silent to events":    {func(net.Conn) {}, events, "has not answered for 50ms", "systemctl status p2pban"},
		"silent in an answer": {func(c net.Conn) { io.WriteString(c, list) }, status, "has not answered for 50ms", "systemctl status p2pban"},
		"silent in a list":    {func(c net.Conn) { io.WriteString(c, list) }, bans, "has not answered for 50ms", "systemctl status p2pban"},
		"gone":                {say(""), status, "broke off", "journalctl -u p2pban"},
		"gone at a ban":       {say(""), ban, "broke off", "whether this was still done"},
		"gone in an answer":   {say(list), status, "broke off", "journalctl -u p2pban"},
		"gone in a list":      {say(list), bans, "broke off", "journalctl -u p2pban"},
		"another program":     {say("220 mail ready\r\n"), status, "can't be understood", "--socket"},
		"no JSON":             {say(list[:len(list)-1] + "hey"), status, "can't be understood", "--socket"},
	} {
		c := instead(t, tt.answer)
		if strings.HasPrefix(name, "silent") {
			c.patience = 50 * time.Millisecond
		}
		err := tt.ask(c)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.What, tt.what) || !strings.Contains(e.What, c.socket) || !strings.Contains(e.Hint, tt.hint) {
			t.Errorf("%s: %v; want %q on %s, and %q", name, err, tt.what, c.socket, tt.hint)
		} else if strings.Contains(e.What, "http://") {
			t.Errorf("%s: %q names an address that is not there", name, e.What)
		}
	}
}

// TestPatience waits for a reader who is slow, and for events that are rare.
func TestPatience(t *testing.T) {
	d := &desk{bans: []Ban{ban("192.0.2.7", "a"), ban("2001:db8::7", "b")}, events: make(chan Event)}
	c, _ := serve(t, d)
	c.patience = time.Second
	longer := c.patience + 100*time.Millisecond
	n := 0
	if err := c.Bans(t.Context(), "", func(Ban) error { n++; time.Sleep(longer); return nil }); err != nil || n != 2 {
		t.Errorf("a slow reader had %d of 2 bans, and %v", n, err)
	}
	time.AfterFunc(longer, func() { d.events <- Event{Type: "lost", Lost: 3} })
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	if err := c.Events(ctx, func(Event) error { n++; cancel(); return nil }); err != nil || n != 1 {
		t.Errorf("%d events after a long time without one, and %v", n, err)
	}
}

// deadlined is an answer's writer that notes the deadline under which it was
// written.
type deadlined struct {
	*httptest.ResponseRecorder
	next, written time.Time
}

func (w *deadlined) SetWriteDeadline(t time.Time) error { w.next = t; return nil }

func (w *deadlined) Write(b []byte) (int, error) {
	w.written = w.next
	return w.ResponseRecorder.Write(b)
}

// TestAnswersHaveADeadline keeps a client that asks for much and reads nothing
// from holding its place for ever.
func TestAnswersHaveADeadline(t *testing.T) {
	s := &Server{Daemon: &desk{bans: []Ban{ban("192.0.2.7", "a")}}, Log: slog.New(slog.DiscardHandler)}
	for _, path := range []string{"/v1/history", "/v1/status", "/v1/history?addr=nobody"} {
		w := &deadlined{ResponseRecorder: httptest.NewRecorder()}
		s.routes().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if left := time.Until(w.written); left <= 0 || left > WriteTimeout {
			t.Errorf("%s: %q is written within %v, want %v", path, w.Body, left, WriteTimeout)
		}
	}
}
