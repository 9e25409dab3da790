package control

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// socketEvery is how often we look whether a socket still stands where it was made.
// It is also the longest time that a daemon can't be reached after somebody has
// deleted its socket (`rm -rf /run/p2pban`, a cleaner of /run).
const socketEvery = 5 * time.Second

// standing is a listener whose socket is made anew when its file is gone: it would
// wait for ever for connections that nobody can make. What else stands at the path
// by then is left alone.
type standing struct {
	path  string
	every time.Duration
	log   *slog.Logger

	mu      sync.Mutex // guards the rest: Close is called beside Accept
	now     *net.UnixListener
	file    os.FileInfo // of the socket of now
	closed  bool
	trouble string // what was said last of a socket that can't be made
}

// newStanding makes the socket.
func newStanding(path string, log *slog.Logger) (*standing, error) {
	l, file, err := bind(path)
	if err != nil {
		return nil, err
	}
	return &standing{path: path, every: socketEvery, log: log, now: l, file: file}, nil
}

// Accept waits for a connection, and looks at the socket meanwhile.
func (s *standing) Accept() (net.Conn, error) {
	for {
		s.mu.Lock()
		l := s.now
		s.mu.Unlock()
		if err := l.SetDeadline(time.Now().Add(s.every)); err != nil {
			return nil, err
		}
		c, err := l.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return c, err
		}
		s.look()
	}
}

// look makes the socket anew if it is gone.
func (s *standing) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.stands() {
		return
	}
	l, file, err := bind(s.path)
	if err != nil {
		if s.trouble != err.Error() {
			s.trouble = err.Error()
			s.log.Error("the socket was deleted and can't be made anew, trying again", "socket", s.path, "error", err)
		}
		return
	}
	s.now.Close() // nobody can connect to it any more
	s.now, s.file, s.trouble = l, file, ""
	s.log.Warn("the socket was deleted by somebody and is made anew", "socket", s.path)
}

// stands tells whether the path still leads to our socket; the caller holds mu.
func (s *standing) stands() bool {
	file, err := os.Lstat(s.path)
	return err == nil && os.SameFile(file, s.file)
}

// Close ends listening, and removes the socket if it is still ours.
func (s *standing) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var removing error
	if s.stands() {
		removing = os.Remove(s.path)
	}
	return errors.Join(s.now.Close(), removing)
}

// Addr is the path.
func (s *standing) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: s.path} }
