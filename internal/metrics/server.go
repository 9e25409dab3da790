package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Limits of the metrics' address: any local user may connect to it.
const (
	// MaxClients is how many connections are open at once; with the next one
	// the oldest is closed.
	MaxClients = 32
	// ScrapeTimeout bounds reading a request, asking the daemon, and writing
	// the answer, each.
	ScrapeTimeout = 5 * time.Second
)

// Server serves GET /metrics.
type Server struct {
	Listener net.Listener
	Gather   Gather
	Log      *slog.Logger
}

// Run serves until ctx ends, then closes the listener and all clients.
func (s *Server) Run(ctx context.Context) error {
	h := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: ScrapeTimeout,
		ReadTimeout:       ScrapeTimeout,
		WriteTimeout:      2 * ScrapeTimeout, // asking and writing
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	// A scrape is a connection, which is then among the newest.
	h.SetKeepAlivesEnabled(false)
	stop := context.AfterFunc(ctx, func() { h.Close() })
	defer stop()
	if err := h.Serve(&newest{Listener: s.Listener}); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the metrics: %w", err)
	}
	return nil
}

func (s *Server) routes() http.Handler {
	process := prometheus.NewRegistry()
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	ours := newMetrics()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), ScrapeTimeout)
		defer cancel()
		snapshot, err := s.Gather(ctx)
		if err != nil {
			http.Error(w, "p2pban did not answer: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		reg := prometheus.NewRegistry()
		reg.MustRegister(collector{ours, snapshot})
		opts := promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelError)}
		promhttp.HandlerFor(prometheus.Gatherers{reg, process}, opts).ServeHTTP(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "GET /metrics", http.StatusNotFound)
	})
	return mux
}
