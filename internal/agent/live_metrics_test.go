package agent

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/internal/journaltest"
)

// scrape asks as Prometheus does.
func scrape(t *testing.T, network, address string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}}
	r, err := client.Get("http://p2pban/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("GET /metrics: %s, %v: %s", r.Status, err, text)
	}
	return string(text)
}

// TestMetricsOfARunningDaemon reads them after a ban, over both kinds of address.
func TestMetricsOfARunningDaemon(t *testing.T) {
	for network, listen := range map[string]string{"tcp": "127.0.0.1:9847", "unix": "unix:DIR/metrics.sock"} {
		t.Run(network, func(t *testing.T) {
			l := newLab(t, liveConfig+"[metrics]\nlisten = \""+listen+"\"\n")
			l.start()
			l.accuse("node.log", hostile, 3)
			l.wait("the ban in the kernel", func() bool { return inKernel(t, hostile.String()) })
			address := strings.TrimPrefix(strings.ReplaceAll(listen, "DIR", l.dir), "unix:")
			got := ""
			l.wait("the ban to be counted as applied and as saved", func() bool {
				got = scrape(t, network, address)
				return strings.Contains(got, "\np2pban_firewall_applied_total{backend=\"nftables\"} 1\n") &&
					strings.Contains(got, "\np2pban_state_save_seconds_count 1\n")
			})
			for _, want := range []string{
				`p2pban_build_info{goversion="go1.`,
				`p2pban_lines_total{source="node"} 3`,
				`p2pban_source_up{source="node"} 1`,
				`p2pban_source_lag_bytes{source="node"} 0`,
				`p2pban_source_last_recognised_timestamp_seconds{source="node"} 1.`,
				`p2pban_events_total{rule="go-libp2p/connection",source="node"} 3`,
				`p2pban_failures_total{rule="go-libp2p/connection",source="node"} 300`,
				`p2pban_node_connections_total{direction="inbound",source="node",transport="tcp"} 300`,
				`p2pban_bans{jail="quick"} 1`,
				`p2pban_bans_total{jail="quick"} 1`,
				`p2pban_bans{jail="manual"} 0`,
				`p2pban_firewall_healthy{backend="nftables"} 1`,
				`p2pban_alarms{kind="firewall"} 0`,
				`p2pban_alarms{kind="unrecognised"} 0`,
				`process_resident_memory_bytes `,
			} {
				if !strings.Contains(got, "\n"+want) {
					t.Errorf("the metrics lack %s", want)
				}
			}
			if t.Failed() {
				t.Log(got)
			}
			if network == "unix" {
				info, err := os.Stat(address)
				if err != nil || info.Mode().Perm() != 0o660 {
					t.Errorf("the socket: %v, %v; want mode 0660", info, err)
				}
			}
		})
	}
}

// TestMetricsAreOff unless they are asked for.
func TestMetricsAreOff(t *testing.T) {
	l := newLab(t, liveConfig)
	l.start()
	if c, err := net.DialTimeout("tcp", "127.0.0.1:9847", time.Second); err == nil {
		c.Close()
		t.Error("something listens although no metrics are configured")
	}
	l.configure(liveConfig + "[metrics]\nlisten = \"127.0.0.1:9847\"\n")
	reply, err := l.client.Reload(t.Context())
	if err != nil || len(reply.Changes) != 1 || !strings.Contains(reply.Changes[0], "[metrics] changed and takes effect at the next start") {
		t.Errorf("a reload with metrics: %+v, %v", reply, err)
	}
}

// TestMetricsAddressTaken: who is at the address first keeps nobody from being banned, and
// metrics are served once he has gone.
func TestMetricsAddressTaken(t *testing.T) {
	l := newLab(t, liveConfig+"[metrics]\nlisten = \"127.0.0.1:9847\"\n")
	other, err := net.Listen("tcp", "127.0.0.1:9847")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l.start()
	l.accuse("node.log", hostile, 3)
	l.wait("the ban in the kernel", func() bool { return inKernel(t, hostile.String()) })
	l.wait("the log to say it", func() bool {
		return strings.Contains(l.log.String(), "metrics are not served yet") && strings.Contains(l.log.String(), "listen=127.0.0.1:9847")
	})
	other.Close()
	l.wait("the metrics to be served", func() bool { return strings.Contains(l.log.String(), `msg="metrics are served"`) })
	if got := scrape(t, "tcp", "127.0.0.1:9847"); !strings.Contains(got, "p2pban_lines_total") {
		t.Errorf("the metrics are:\n%s", got)
	}
}

// TestMetricsAddressWrong is told to whoever starts the daemon.
func TestMetricsAddressWrong(t *testing.T) {
	l := newLab(t, liveConfig+"[metrics]\nlisten = \"unix:DIR/p2pban.toml\"\n")
	cfg, err := l.load()
	if err != nil {
		t.Fatal(err)
	}
	err = Run(t.Context(), Options{Config: cfg, Log: slog.New(slog.DiscardHandler), Out: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "[metrics] listen") || !strings.Contains(err.Error(), "p2pban.toml is in the way") {
		t.Errorf("the daemon ended with %v", err)
	}
}

// TestNearestAndHistory ask a running daemon, and again after its restart.
func TestNearestAndHistory(t *testing.T) {
	l := newLab(t, liveConfig)
	l.start()
	l.accuse("node.log", honest, 1)
	l.accuse("node.log", hostile6, 2)
	l.accuse("node.log", hostile, 3)
	l.wait("the ban in the kernel", func() bool { return inKernel(t, hostile.String()) })
	near, err := l.client.Nearest(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(near) != 2 || near[0].Prefix != netip.MustParsePrefix("2001:db8:a::/64") || near[0].Failures != 200 || near[0].Allowed != 300 || near[1].Prefix.Addr() != honest {
		t.Errorf("nearest: %+v; want the IPv6 network with 200 of 300 failures, then the host with 100", near)
	}
	if near, err := l.client.Nearest(t.Context(), 1); err != nil || len(near) != 1 || near[0].Failures != 200 {
		t.Errorf("the nearest one: %+v, %v", near, err)
	}
	if _, err := l.client.Unban(t.Context(), control.UnbanRequest{Targets: []string{hostile.String()}}); err != nil {
		t.Fatal(err)
	}
	l.stop()
	l.start()
	past, err := l.client.History(t.Context(), "/ip4/203.0.113.66/tcp/4001", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(past) != 2 || past[0].Action != "unban" || past[1].Action != "ban" || past[1].Failures != 300 || past[1].Host != hostile || !strings.Contains(past[1].Line, "CANONICAL_PEER_STATUS") {
		t.Errorf("history after a restart: %+v", past)
	}
}

// TestSuppressedMessages has journald throw lines away, and see the alarm.
func TestSuppressedMessages(t *testing.T) {
	journald := journaltest.Start(t, "RateLimitIntervalSec=1s", "RateLimitBurst=100")
	out := journald.Stream("kubo.service", "ipfs")
	io.WriteString(out, "the first line, so that there is a journal\n")
	journald.Sync()
	l := newLab(t, strings.Replace(liveConfig, `file = "DIR/node.log"`, "unit = \"kubo.service\"\ndirectory = \""+journald.Directory()+"\"", 1))
	l.start()
	// journald tells how many it threw away with the first message after the
	// interval, so some must go on coming.
	l.wait("the alarm", func() bool {
		io.WriteString(out, strings.Repeat("a flood\n", 200))
		s, err := l.client.Status(t.Context())
		if err != nil || len(s.Alarms) == 0 {
			return false
		}
		a := s.Alarms[0]
		return a.Kind == "suppressed" && strings.Contains(a.What, "messages away") && strings.Contains(a.Fix, "50-p2pban.conf") && s.Sources[0].Suppressed > 0
	})
}

// TestNotifiesSystemd has the running daemon tell a socket what systemd is told.
func TestNotifiesSystemd(t *testing.T) {
	c := notifySocket(t)
	l := newLab(t, liveConfig)
	l.accuse("node.log", honest, 1) // there, so that there is no alarm
	t.Setenv("WATCHDOG_USEC", "600000")
	l.start()
	seen := map[string]int{}
	buf := make([]byte, 4096)
	for end := time.Now().Add(patience); seen["READY=1"] == 0 || seen["WATCHDOG=1"] < 3 || seen["STATUS=bans in force: 0, sources: 1"] == 0; {
		if err := c.SetReadDeadline(end); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(buf)
		if err != nil {
			t.Fatalf("seen %v; want READY=1, WATCHDOG=1 three times and a STATUS: %v", seen, err)
		}
		seen[string(buf[:n])]++
	}
}

// TestNotifier feeds the watchdog often enough, and tells only news.
func TestNotifier(t *testing.T) {
	c := notifySocket(t)
	n := notifier{watchdog: 30 * time.Second}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	text := "well"
	for i := range 240 { // a minute of ticks
		if i == 120 {
			text = "ALARM"
		}
		n.tick(now.Add(time.Duration(i)*tick), func() string { return text })
	}
	var got []string
	for text := told(t, c); text != ""; text = told(t, c) {
		got = append(got, text)
	}
	const fed = "WATCHDOG=1"
	if want := []string{fed, "STATUS=well", fed, fed, fed, "STATUS=ALARM", fed, fed}; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("systemd was told %q, want %q", got, want)
	}
}
