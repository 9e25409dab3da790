package metrics

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// full is a snapshot in which every metric has a series.
func full() *Snapshot {
	at := time.Unix(1_700_000_000, 500_000_000)
	s := &Snapshot{
		Version: "v1.2.3", Alarms: map[string]int{"firewall": 1, "guard": 0}, Queued: 2, Unsaved: 3,
		Checkpoint: at, CheckpointTook: 20 * time.Millisecond, LostEvents: 4,
		Sources: []Source{{
			Name: "kubo", Up: true, Lag: 100, Delay: 1500 * time.Millisecond, Lines: 10, Events: 5, LastLine: at, LastRecognised: at, LastEvent: at,
			Rejected: map[string]int64{"relayed": 3}, Rules: []Rule{{"go-libp2p/connection", 5, 500}},
			Connections: []Connections{{"inbound", "tcp", 500}}, Failures: []HandshakeFailures{{"tls", "tcp", 100}},
		}},
		Jails:     []Jail{{Name: "flood", Hosts: 7, Bans: 1, Banned: 9}},
		Firewalls: []Firewall{{Backend: "nftables", Healthy: true, Applied: 9, LastApplied: at}},
	}
	s.Saves.Observe(800 * time.Microsecond)
	s.Saves.Observe(time.Minute)
	return s
}

// served gives the labels of every metric that a scrape shows, by name.
func served(t *testing.T) map[string][]string {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(collector{newMetrics(), full()}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, f := range families {
		labels := []string{}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		out[f.GetName()] = labels
	}
	return out
}

func TestEveryMetricIsServed(t *testing.T) {
	c := collector{newMetrics(), full()}
	described := make(chan *prometheus.Desc, 1000)
	c.Describe(described)
	got := 0
	for name := range served(t) {
		if strings.HasPrefix(name, "p2pban_") {
			got++
		}
	}
	if got != len(described) {
		t.Errorf("%d metrics are described and %d served", len(described), got)
	}
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestValues(t *testing.T) {
	c := collector{newMetrics(), full()}
	const want = `
# HELP p2pban_bans_total Bans made.
# TYPE p2pban_bans_total counter
p2pban_bans_total{jail="flood"} 9
# HELP p2pban_checkpoint_timestamp_seconds When windows and positions in the logs were last saved.
# TYPE p2pban_checkpoint_timestamp_seconds gauge
p2pban_checkpoint_timestamp_seconds 1.7000000005e+09
# HELP p2pban_node_connections_total Connections that the node says were established, its sampling undone.
# TYPE p2pban_node_connections_total counter
p2pban_node_connections_total{direction="inbound",source="kubo",transport="tcp"} 500
# HELP p2pban_source_lag_bytes Bytes known to be unread; absent where the source can't know.
# TYPE p2pban_source_lag_bytes gauge
p2pban_source_lag_bytes{source="kubo"} 100
# HELP p2pban_state_save_seconds Time to save decisions, which comes before they are told.
# TYPE p2pban_state_save_seconds histogram
p2pban_state_save_seconds_bucket{le="0.0005"} 0
p2pban_state_save_seconds_bucket{le="0.001"} 1
p2pban_state_save_seconds_bucket{le="0.0025"} 1
p2pban_state_save_seconds_bucket{le="0.005"} 1
p2pban_state_save_seconds_bucket{le="0.01"} 1
p2pban_state_save_seconds_bucket{le="0.025"} 1
p2pban_state_save_seconds_bucket{le="0.05"} 1
p2pban_state_save_seconds_bucket{le="0.1"} 1
p2pban_state_save_seconds_bucket{le="0.25"} 1
p2pban_state_save_seconds_bucket{le="0.5"} 1
p2pban_state_save_seconds_bucket{le="1"} 1
p2pban_state_save_seconds_bucket{le="2.5"} 1
p2pban_state_save_seconds_bucket{le="5"} 1
p2pban_state_save_seconds_bucket{le="10"} 1
p2pban_state_save_seconds_bucket{le="+Inf"} 2
p2pban_state_save_seconds_sum 60.0008
p2pban_state_save_seconds_count 2
`
	err := testutil.CollectAndCompare(c, strings.NewReader(want), "p2pban_bans_total", "p2pban_checkpoint_timestamp_seconds",
		"p2pban_node_connections_total", "p2pban_source_lag_bytes", "p2pban_state_save_seconds")
	if err != nil {
		t.Error(err)
	}
	// What is not known has no series, so that nobody takes 1970 for a time.
	s := full()
	s.Checkpoint, s.Sources[0].LastLine, s.Sources[0].Lag = time.Time{}, time.Time{}, -1
	c.snapshot = s
	for _, name := range []string{"p2pban_checkpoint_timestamp_seconds", "p2pban_source_last_line_timestamp_seconds", "p2pban_source_lag_bytes"} {
		if n := testutil.CollectAndCount(c, name); n != 0 {
			t.Errorf("%s has %d series although it is not known", name, n)
		}
	}
}

// serve starts a server and gives its address.
func serve(t *testing.T, gather Gather) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&Server{Listener: l, Gather: gather, Log: slog.New(slog.DiscardHandler)}).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return l.Addr().String()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

func TestServer(t *testing.T) {
	var broken error
	addr := serve(t, func(context.Context) (*Snapshot, error) { return full(), broken })
	for range 2 { // a scrape leaves nothing that the next one trips over
		if code, text := get(t, "http://"+addr+"/metrics"); code != http.StatusOK || !strings.Contains(text, "\np2pban_alarms{kind=\"firewall\"} 1\n") || !strings.Contains(text, "\ngo_goroutines ") {
			t.Errorf("GET /metrics: %d %s", code, text)
		}
	}
	if code, _ := get(t, "http://"+addr+"/"); code != http.StatusNotFound {
		t.Errorf("GET /: %d, want 404: there is nothing but the metrics", code)
	}
	broken = errors.New("it is busy")
	if code, text := get(t, "http://"+addr+"/metrics"); code != http.StatusServiceUnavailable || !strings.Contains(text, "it is busy") {
		t.Errorf("a daemon that does not answer: %d %s", code, text)
	}
}

// TestHostileClients takes twice as many connections as there are places: one
// half say nothing, the others ask for something again and again. A scrape is
// served at once, and no more than MaxClients stay open.
func TestHostileClients(t *testing.T) {
	addr := serve(t, func(context.Context) (*Snapshot, error) { return full(), nil })
	gone := make(chan struct{}, 2*MaxClients)
	for i := range 2 * MaxClients {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() {
			defer func() { gone <- struct{}{} }()
			for answer := make([]byte, 4096); ; {
				if i%2 == 0 {
					io.WriteString(c, "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
				}
				if _, err := c.Read(answer); err != nil {
					return
				}
			}
		}()
	}
	if code, _ := get(t, "http://"+addr+"/metrics"); code != http.StatusOK {
		t.Errorf("GET /metrics: %d", code)
	}
	for range MaxClients + 1 {
		<-gone
	}
}

// TestEveryPlaceIsKept holds the ring by itself: with each connection beyond
// MaxClients the oldest of those that stand goes, and no other.
func TestEveryPlaceIsKept(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &newest{Listener: inner}
	defer l.Close()
	var clients []net.Conn
	for range MaxClients + 3 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range clients[:3] {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("one of the oldest: %v, want it closed", err)
		}
	}
	for _, c := range l.kept {
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Errorf("one of the newest: %v", err)
		}
	}
	for i, c := range clients[3:] {
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Errorf("one of the newest, %d: %v", i, err)
		}
	}
}
