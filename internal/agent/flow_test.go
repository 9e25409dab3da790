package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/metrics"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// stream feeds a flow as the engine does.
type stream struct {
	reader
	flow flow
	now  time.Time
}

func newStream(t testing.TB) *stream {
	t.Helper()
	rules, err := parser.Builtin().Expand([]string{"go-libp2p/*"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewParser(&config.Config{Ruleset: parser.Builtin(), Jails: []jail.Config{{Rules: rules}}}, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	return &stream{reader: reader{parser: p}, flow: newFlow(now), now: now}
}

func (s *stream) line(text string) {
	l := sources.Line{Text: text}
	s.read(l, s.now)
	s.flow.note(&l, &s.result, s.now)
}

// canonical is a record as go-libp2p v0.51 prints it.
func canonical(pairs string) string {
	return "time=2026-03-01T00:00:00.000Z level=INFO source=swarm/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer=12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4 " + pairs
}

const established = "addr=/ip4/203.0.113.66/tcp/49692 sample_rate=100 connection_status=established dir=inbound"

// TestNodeCounts holds what lines say of the node, by the forms of address that
// go-libp2p prints.
func TestNodeCounts(t *testing.T) {
	s := newStream(t)
	for _, pairs := range []string{
		established,
		"addr=/ip6/2001:db8::7/udp/4001/quic-v1 sample_rate=100 connection_status=established dir=inbound",
		"addr=/ip4/203.0.113.66/udp/4001/quic-v1/webtransport sample_rate=100 connection_status=established dir=inbound",
		"addr=/ip4/203.0.113.66/udp/4001 sample_rate=100 connection_status=established dir=inbound", // webrtc-direct
		"addr=/ip4/203.0.113.66/tcp/4001/ws sample_rate=100 connection_status=established dir=inbound",
		"addr=/ip4/203.0.113.66/tcp/4001/tls/ws sample_rate=100 connection_status=established dir=inbound",
		"addr=/ip4/203.0.113.66/tcp/4001/tls/sni/example.com/ws sample_rate=100 connection_status=established dir=inbound",
		"addr=/ip4/198.51.100.1/udp/4001/quic-v1/p2p/12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4/p2p-circuit sample_rate=100 connection_status=established dir=inbound",
		"addr=/ip4/203.0.113.66/tcp/4001 sample_rate=100 connection_status=established dir=outbound",
		"addr=/ip4/203.0.113.66/tcp/4001 sample_rate=100 handshake_failure=noise err=EOF",
		"addr=/ip4/203.0.113.66/tcp/4001 sample_rate=1 handshake_failure=tls err=EOF",
		"addr=/ip4/203.0.113.66/tcp/4001/wss sample_rate=100 handshake_failure=tls err=EOF",
	} {
		s.line(canonical(pairs))
	}
	s.line("an ordinary line with addr=/ip4/203.0.113.66/tcp/1 connection_status=established dir=inbound")
	// What a stranger wrote into another record says nothing of the node.
	s.line(`2026-03-01T00:00:00.000Z	ERROR	other	a.go:1	x CANONICAL_PEER_STATUS: peer= addr=/ip4/203.0.113.66/tcp/1 sample_rate=100 connection_status="established" dir="inbound"`)
	want := []metrics.Connections{
		{Direction: "inbound", Transport: "tcp", N: 100},
		{Direction: "inbound", Transport: "quic-v1", N: 100},
		{Direction: "inbound", Transport: "ws", N: 100},
		{Direction: "inbound", Transport: "wss", N: 200},
		{Direction: "inbound", Transport: "webtransport", N: 100},
		{Direction: "inbound", Transport: "udp", N: 100},
		{Direction: "inbound", Transport: "circuit", N: 100},
		{Direction: "outbound", Transport: "tcp", N: 100},
	}
	if d := cmp.Diff(want, s.flow.node.connections()); d != "" {
		t.Errorf("connections (-want +got):\n%s", d)
	}
	wantFailed := []metrics.HandshakeFailures{
		{Kind: "noise", Transport: "tcp", N: 100},
		{Kind: "tls", Transport: "tcp", N: 1},
		{Kind: "tls", Transport: "wss", N: 100},
	}
	if d := cmp.Diff(wantFailed, s.flow.node.failures()); d != "" {
		t.Errorf("failures (-want +got):\n%s", d)
	}
	if got := *s.flow.rules["go-libp2p/handshake"]; got != (ruleCount{events: 3, failures: 201}) {
		t.Errorf("go-libp2p/handshake: %+v", got)
	}
}

func TestTransportOf(t *testing.T) {
	for addr, want := range map[string]string{
		"/ip4/1.2.3.4/tcp/1": "tcp", "/ip4/1.2.3.4/tcp/1/tls/ws": "wss", "/ip6/2001:db8::1/tcp/1/ws/p2p/y": "ws", "/ip4/1.2.3.4/udp/1": "udp", "/ip4/1.2.3.4/udp/1/quic": "quic", "/ip4/1.2.3.4/udp/1/webrtc-direct/certhash/x": "webrtc",
		"/ip4/1.2.3.4/udp/1/quic-v1/webtransport/certhash/x/p2p/y": "webtransport",
		"/ip4/1.2.3.4/tcp/1/p2p/R/p2p-circuit/webrtc":              "circuit",
		"1.2.3.4:5": "other", "": "other", "/////": "other",
	} {
		if got := transportNames[transportOf(addr)]; got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
		if _, why := parser.ParseHost(addr); why == parser.Relayed {
			continue // no event comes from a relay's address
		}
		ev := parser.Event{Addr: addr}
		ev.Port, ev.Transport = parser.TransportOf(addr)
		if got := transportNames[eventTransport(&ev)]; got != want {
			t.Errorf("an event from %s: %s, want %s", addr, got, want)
		}
	}
}

// TestFormatChanged upgrades a node under a running daemon: its lines go on and
// none is recognised.
func TestFormatChanged(t *testing.T) {
	for _, tt := range []struct {
		name, line  string
		quietBefore time.Duration // no alarm yet
		alarmAfter  time.Duration
		want        string
	}{
		{"another record", "time=2026-03-03T00:00:00.000Z level=INFO msg=PEER_STATE \x1b[31mpeer=x", 59 * time.Minute, 61 * time.Minute, `seen instead: "time=2026-03-03T00:00:00.000Z level=INFO msg=PEER_STATE \x1b[31mpeer=x"`},
		{"the record in another layout", "INFO|swarm|CANONICAL_PEER_STATUS: peer=x addr=/ip4/203.0.113.66/tcp/1 sample_rate=100 connection_status=\"established\" dir=\"inbound\"", 9 * time.Minute, 11 * time.Minute, "have a canonical record's name and can't be read"},
	} {
		s := newStream(t)
		for range 2 * 24 * 60 { // two days, a line a minute
			s.now = s.now.Add(time.Minute)
			s.line(canonical(established))
		}
		changed := s.now
		until := func(d time.Duration) (what, fix string) {
			for s.now.Sub(changed) < d {
				s.now = s.now.Add(2 * time.Second)
				s.line(tt.line)
			}
			return s.flow.unrecognised(s.now, "node", "go-libp2p: GOLOG_LOG_LEVEL=…")
		}
		if what, _ := until(tt.quietBefore); what != "" {
			t.Errorf("%s: an alarm after %v: %s", tt.name, tt.quietBefore, what)
		}
		what, fix := until(tt.alarmAfter)
		if !strings.Contains(what, "source node: none of its ") || !strings.Contains(what, tt.want) || strings.Contains(what, "\x1b") {
			t.Errorf("%s: the alarm after %v is %q, want one with %q", tt.name, tt.alarmAfter, what, tt.want)
		}
		if !strings.Contains(fix, "upgraded") || !strings.Contains(fix, "GOLOG_LOG_LEVEL") {
			t.Errorf("%s: the cure is %q", tt.name, fix)
		}
		if what, _ := s.flow.silent(s.now, "node", ""); what != "" {
			t.Errorf("%s: lines come, and yet %s", tt.name, what)
		}
		s.line(canonical(established))
		if what, _ := s.flow.unrecognised(s.now, "node", ""); what != "" {
			t.Errorf("%s: the alarm stands after a recognised line: %s", tt.name, what)
		}
	}
}

// TestQuietNodes cry no wolf.
func TestQuietNodes(t *testing.T) {
	s := newStream(t)
	// At the level error a node with few peers says little: a canonical line
	// every five hours, an ordinary one between.
	for range 100 {
		for _, text := range []string{canonical(established), "2026-03-01T00:00:00.000Z	ERROR	bitswap	x.go:1	timeout"} {
			s.now = s.now.Add(150 * time.Minute)
			s.line(text)
			s.now = s.now.Add(4 * time.Hour) // a quiet night
			silent, _ := s.flow.silent(s.now, "node", "")
			unknown, _ := s.flow.unrecognised(s.now, "node", "")
			if silent+unknown != "" {
				t.Fatalf("after %v: %s%s", s.now.Sub(s.flow.lines.began), silent, unknown)
			}
		}
	}
	// A node that only logs what its rules don't name, and is not attacked.
	s = newStream(t)
	for range 11 * 3600 {
		s.now = s.now.Add(time.Second)
		s.line("an ordinary line")
	}
	if what, _ := s.flow.unrecognised(s.now, "node", ""); what != "" {
		t.Errorf("in its first half day: %s", what)
	}
	s.now = s.now.Add(2 * time.Hour)
	if what, _ := s.flow.unrecognised(s.now, "node", ""); !strings.Contains(what, "none of its 39600 lines in 13.0 hours") {
		t.Errorf("after 13 hours the alarm is %q", what)
	}
	if what, fix := s.flow.silent(s.now.Add(12*time.Hour), "node", "`journalctl`"); !strings.Contains(what, "no line for 14.0 hours") || !strings.Contains(fix, "journalctl") {
		t.Errorf("after a silence of 14 hours the alarm is %q, %q", what, fix)
	}
}

func TestLag(t *testing.T) {
	s := newStream(t)
	const mib = 1 << 20
	for i, step := range []struct {
		after  time.Duration
		unread int64
		want   string
	}{
		{0, 100 * mib, ""}, // a burst
		{30 * time.Second, 0, ""},
		{time.Second, 9 * mib, ""},
		{59 * time.Second, 50 * mib, ""},
		{time.Second, 50 * mib, "50 MiB are unread"},
		{time.Second, 7 * mib, ""},
	} {
		s.now = s.now.Add(step.after)
		what, _ := s.flow.late(s.now, "node", step.unread)
		if step.want == "" && what != "" || !strings.Contains(what, step.want) {
			t.Errorf("step %d: %q, want %q", i, what, step.want)
		}
	}
	// The journal knows its lines' times and not its bytes.
	for i := range 62 {
		s.now = s.now.Add(time.Second)
		l := sources.Line{Text: "x", Time: s.now.Add(-5 * time.Minute)}
		s.read(l, s.now)
		s.flow.note(&l, &s.result, s.now)
		what, _ := s.flow.late(s.now, "node", -1)
		if late := strings.Contains(what, "the last line was 5 minutes old"); late != (i >= 60) {
			t.Errorf("after %d s: %q", i, what)
		}
	}
}

func TestSuppression(t *testing.T) {
	s := newStream(t)
	say := func(count uint64) string {
		what, fix := s.flow.suppression(s.now, "node", count)
		if what != "" && !strings.Contains(fix, "install 50-p2pban.conf") {
			t.Errorf("the cure is %q", fix)
		}
		return what
	}
	if what := say(0); what != "" {
		t.Errorf("nothing was suppressed, and yet %s", what)
	}
	if what := say(7); !strings.Contains(what, "threw 7 messages away") {
		t.Errorf("the alarm is %q", what)
	}
	s.now = s.now.Add(59 * time.Minute)
	if what := say(7); what == "" {
		t.Error("the alarm is over within the hour")
	}
	s.now = s.now.Add(time.Minute)
	if what := say(7); what != "" {
		t.Errorf("the alarm stands for ever: %s", what)
	}
}

// TestNoteAllocates nothing for a line, once its rule is known.
func TestNoteAllocates(t *testing.T) {
	s := newStream(t)
	for _, text := range []string{"an ordinary line", canonical(established), canonical("addr=/ip4/203.0.113.66/tcp/4001 sample_rate=100 connection_status=established dir=outbound")} {
		l := sources.Line{Text: text}
		s.line(text)
		if n := testing.AllocsPerRun(100, func() { s.flow.note(&l, &s.result, s.now) }); n != 0 {
			t.Errorf("%.40s: %v allocations", text, n)
		}
	}
}

func BenchmarkNote(b *testing.B) {
	for name, text := range map[string]string{"ordinary": "an ordinary line", "event": canonical(established)} {
		b.Run(name, func(b *testing.B) {
			s := newStream(b)
			l := sources.Line{Text: text}
			s.line(text)
			b.ReportAllocs()
			for b.Loop() {
				s.flow.note(&l, &s.result, s.now)
			}
		})
	}
}

// Whatever kind of log went silent, the operator is told how to look at it.
func TestLookAt(t *testing.T) {
	for want, spec := range map[string]config.Source{
		"`journalctl --lines=5 --unit=ipfs.service`":                                    {Units: []string{"ipfs.service"}},
		"`journalctl --lines=5 CONTAINER_NAME=kubo`":                                    {Matches: []string{"CONTAINER_NAME=kubo"}},
		"`journalctl --lines=5 _SYSTEMD_USER_UNIT=node.service --directory=/var/log/j`": {UserUnits: []string{"node.service"}, Directory: "/var/log/j"},
		"look at /var/log/ipfs/*.log":                                                   {Files: []string{"/var/log/ipfs/*.log"}},
		"look at kubo":                                                                  {Containers: []string{"kubo"}},
	} {
		if got := (&source{spec: spec}).lookAt(); got != want {
			t.Errorf("%+v: %q, want %q", spec, got, want)
		}
	}
}

// TestTabsReplaced has a log whose tabs became spaces told as what it is, at
// once and also where another log of the source is in order; and what a stranger
// writes into other lines of the node does not look like it.
func TestTabsReplaced(t *testing.T) {
	const inOrder = "2026-03-01T00:00:00.000Z\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\tCANONICAL_PEER_STATUS: peer=12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4 addr=/ip4/203.0.113.66/tcp/1 sample_rate=100 connection_status=\"established\" dir=\"inbound\""
	spaced := strings.ReplaceAll(inOrder, "\t", " ")
	s := newStream(t)
	alarm := func() string {
		what, fix := s.flow.unrecognised(s.now, "node", "")
		if what != "" && !strings.Contains(fix, "GOLOG_LOG_FMT=json") {
			t.Errorf("the cure of %q is %q", what, fix)
		}
		return what
	}
	for range 1000 {
		s.line("2026-03-01T00:00:00.000Z\tERROR\tother\ta.go:1\t" + spaced)
		s.line("x " + spaced)
	}
	if what := alarm(); what != "" {
		t.Errorf("the alarm was made by what strangers write: %s", what)
	}
	for range linesWithoutTabs {
		if what := alarm(); what != "" {
			t.Errorf("too early: %s", what)
		}
		s.line(inOrder)
		s.line(spaced)
	}
	if what := alarm(); !strings.Contains(what, "source node: 3 canonical records are refused because the tabs") {
		t.Errorf("the alarm is %q", what)
	}
	s.now = s.now.Add(tabsBack - time.Second)
	if s.line(inOrder); alarm() == "" {
		t.Error("the alarm is over while the lines may still come")
	}
	s.now = s.now.Add(time.Second)
	if s.line(inOrder); alarm() != "" {
		t.Errorf("the alarm stands for ever: %s", alarm())
	}
}

// A node to which all peers come by a proxy's address is told of, and none that has
// but one peer of its own.
func TestPrivateAddressesOnly(t *testing.T) {
	s := newStream(t)
	private := canonical("addr=/ip4/172.17.0.1/tcp/49692 sample_rate=100 connection_status=established dir=inbound")
	alarm := func() string {
		what, _ := s.flow.unrecognised(s.now, "node", "")
		return what
	}
	for range linesPrivate - 1 {
		s.line(private)
	}
	if what := alarm(); what != "" {
		t.Errorf("after %d lines: %q", linesPrivate-1, what)
	}
	s.line(private)
	if what := alarm(); !strings.Contains(what, "its last 1000 lines that accuse a host all name private addresses") {
		t.Errorf("after %d lines: %q", linesPrivate, what)
	}
	s.line(canonical(established))
	if what := alarm(); what != "" {
		t.Errorf("after a public address: %q", what)
	}
}
