package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/net/netutil"
)

// Limits of the control socket. A local user with the right to it may still be
// careless or hostile, and the daemon must go on judging.
const (
	// MaxClients is how many requests are served at once, event streams
	// included; the next one gets 503.
	MaxClients = 32
	// MaxConnections is how many connections are open at once, those without a
	// request among them; the next one waits. A file descriptor is what the
	// daemon needs to read a log, too.
	MaxConnections = 2 * MaxClients
	// MaxBody bounds a request's body, in bytes.
	MaxBody = 1 << 20
	// RequestTimeout bounds a request, streams and lists excepted.
	RequestTimeout = 10 * time.Second
	// WriteTimeout bounds one write to a client that does not read.
	WriteTimeout = 10 * time.Second
	// idleTimeout is how long a connection keeps its place without a request.
	idleTimeout = 2 * time.Second
)

// Server answers on the control socket.
type Server struct {
	Listener net.Listener
	Daemon   Daemon
	Log      *slog.Logger
}

// Run serves until ctx ends, then closes the listener and all clients.
func (s *Server) Run(ctx context.Context) error {
	h := &http.Server{
		Handler:           s.limit(s.routes()),
		ReadHeaderTimeout: idleTimeout,
		ReadTimeout:       RequestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { h.Close() })
	defer stop()
	if err := h.Serve(netutil.LimitListener(s.Listener, MaxConnections)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the control socket: %w", err)
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", reply(func(ctx context.Context, _ struct{}) (*Status, error) { return s.Daemon.Status(ctx) }))
	mux.HandleFunc("GET /v1/jail", query("name", s.Daemon.Jail))
	mux.HandleFunc("GET /v1/host", query("addr", s.Daemon.Host))
	mux.HandleFunc("GET /v1/history", limited(DefaultHistory, MaxHistory, func(ctx context.Context, q url.Values, limit int) ([]Past, error) {
		return s.Daemon.History(ctx, q.Get("addr"), limit)
	}))
	mux.HandleFunc("GET /v1/nearest", limited(MaxNearest, MaxNearest, func(ctx context.Context, _ url.Values, limit int) ([]HostStatus, error) {
		return s.Daemon.Nearest(ctx, limit)
	}))
	mux.HandleFunc("POST /v1/ban", reply(s.Daemon.Ban))
	mux.HandleFunc("POST /v1/unban", reply(s.Daemon.Unban))
	mux.HandleFunc("POST /v1/reload", reply(func(ctx context.Context, _ struct{}) (*ReloadReply, error) { return s.Daemon.Reload(ctx) }))
	mux.HandleFunc("GET /v1/bans", s.bans)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, &Error{Status: http.StatusNotFound, What: fmt.Sprintf("there is no %s %s", r.Method, r.URL.Path),
			Hint: "GET /v1/status, /v1/jail?name=, /v1/host?addr=, /v1/history?addr=&limit=, /v1/nearest?limit=, /v1/bans, /v1/events; POST /v1/ban, /v1/unban, /v1/reload"})
	})
	return mux
}

// limit turns the request after MaxClients away.
func (s *Server) limit(next http.Handler) http.Handler {
	places := make(chan struct{}, MaxClients)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next.ServeHTTP(w, r)
		default:
			refuse(w, &Error{Status: http.StatusServiceUnavailable,
				What: fmt.Sprintf("the control socket already serves %d clients", MaxClients), Hint: "try again in a moment"})
		}
	})
}

// reply serves a request with one JSON body in (strictly read, may be empty
// for a request without fields) and one out.
func reply[In, Out any](call func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxBody))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
			refuse(w, &Error{Status: http.StatusBadRequest, What: "the request's body can't be read: " + err.Error()})
			return
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			refuse(w, &Error{Status: http.StatusBadRequest, What: "the request's body goes on after its JSON object, so nothing was done", Hint: "send one request for each"})
			return
		}
		answer(w, r, func(ctx context.Context) (Out, error) { return call(ctx, in) })
	}
}

// query serves a request with one parameter in its address.
func query[Out any](name string, call func(context.Context, string) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(ctx context.Context) (Out, error) { return call(ctx, r.URL.Query().Get(name)) })
	}
}

// limited serves a list of which at most limit entries are asked for.
func limited[Out any](standard, most int, call func(context.Context, url.Values, int) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, limit := r.URL.Query(), standard
		if text := q.Get("limit"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || n > most {
				refuse(w, &Error{Status: http.StatusBadRequest, What: fmt.Sprintf("limit is %q; want a number from 1 to %d", text, most)})
				return
			}
			limit = n
		}
		answer(w, r, func(ctx context.Context) (Out, error) { return call(ctx, q, limit) })
	}
}

func answer[Out any](w http.ResponseWriter, r *http.Request, call func(context.Context) (Out, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), RequestTimeout)
	defer cancel()
	out, err := call(ctx)
	// A client that does not read must give its place up.
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(WriteTimeout))
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}

// refuse answers with an Error; one without a status of its own is ours, 500.
func refuse(w http.ResponseWriter, err error) {
	e := &Error{Status: http.StatusInternalServerError, What: err.Error()}
	errors.As(err, &e)
	if errors.Is(err, context.DeadlineExceeded) {
		e = &Error{Status: http.StatusGatewayTimeout, What: "the daemon did not answer in time", Hint: "it may be busy; `p2pban status` tells"}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	json.NewEncoder(w).Encode(e)
}

// bans streams one JSON array, so that a million bans are never in memory at once.
func (s *Server) bans(w http.ResponseWriter, r *http.Request) {
	out := newStream(w)
	n := 0
	err := s.Daemon.Bans(r.Context(), r.URL.Query().Get("jail"), func(b Ban) error {
		sep := ",\n"
		if n == 0 {
			w.Header().Set("Content-Type", "application/json")
			sep = "["
		}
		n++
		return out.write(sep, b)
	})
	switch {
	case err != nil && n == 0:
		refuse(w, err)
	case err != nil:
		// The array stays unclosed: a reader sees that it is not whole.
	case n == 0:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "[]\n")
	default:
		io.WriteString(w, "]\n")
	}
}

// events streams one JSON object a line until the client or the daemon goes.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	events, stop := s.Daemon.Events()
	defer stop()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	out := newStream(w)
	out.flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case e, ok := <-events:
			if !ok || out.write("", e) != nil || out.flush() != nil {
				return
			}
		}
	}
}

// stream writes JSON values to a client with a deadline on each write.
type stream struct {
	w   http.ResponseWriter
	ctl *http.ResponseController
	enc *json.Encoder
}

// newStream also lifts the request's read deadline: net/http reads on in the
// background to notice a client that leaves, and would take the deadline for one.
func newStream(w http.ResponseWriter) *stream {
	ctl := http.NewResponseController(w)
	ctl.SetReadDeadline(time.Time{})
	return &stream{w: w, ctl: ctl, enc: json.NewEncoder(w)}
}

func (s *stream) write(before string, v any) error {
	s.ctl.SetWriteDeadline(time.Now().Add(WriteTimeout))
	if _, err := io.WriteString(s.w, before); err != nil {
		return err
	}
	return s.enc.Encode(v)
}

func (s *stream) flush() error { return s.ctl.Flush() }
