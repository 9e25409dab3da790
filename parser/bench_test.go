package parser

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// The lines are go-libp2p's own, from the captures of v0.22.0, v0.43.0 and
// v0.51.0; "other" is a line of the same nodes that no rule speaks of.
var benchLines = []struct{ name, text string }{
	{"slog-text", `time=2026-11-20T11:17:22.191Z level=INFO source=/home/operator/golibp/gopath/mod/github.com/libp2p/go-libp2p@v0.51.0/p2p/net/swarm/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer=12D3KooWB3hTSHhcpqQmSZZsrZEriFNofnnQyKyuCvf3dpKxdzXJ addr=/ip6/2001:db8:a::66/tcp/48016 sample_rate=100 connection_status=established dir=inbound`},
	{"slog-text-handshake", `time=2026-11-20T11:18:10.575Z level=INFO source=/home/operator/golibp/gopath/mod/github.com/libp2p/go-libp2p@v0.51.0/p2p/security/tls/transport.go:96 msg=CANONICAL_PEER_STATUS peer="" addr=/ip4/203.0.113.66/tcp/50160 sample_rate=100 handshake_failure=tls err="tls: client requested unsupported application protocols ([\"x addr=/ip4/8.8.8.8/tcp/1 x\"])"`},
	{"go-log-console", "2026-11-20T11:20:20.722Z\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\t" + `CANONICAL_PEER_STATUS: peer=12D3KooWS6SPnxiEssNQ4ua1b5PKLxezJCwjscsZ7mfmfthtX93p addr=/ip4/203.0.113.66/tcp/44788 sample_rate=100 connection_status="established" dir="inbound"`},
	{"go-log-json", `{"level":"info","ts":"2026-11-20T11:24:21.267Z","logger":"canonical-log","caller":"swarm/swarm_listen.go:128","msg":"CANONICAL_PEER_STATUS: peer=12D3KooWS6SPnxiEssNQ4ua1b5PKLxezJCwjscsZ7mfmfthtX93p addr=/ip4/203.0.113.66/tcp/47654 sample_rate=100 connection_status=\"established\" dir=\"inbound\""}`},
	{"rsyslog", `Nov 20 11:30:46 vm ipfs[46133]: 2026-11-20T11:20:20.722Z#011INFO#011canonical-log#011swarm/swarm_listen.go:128#011CANONICAL_PEER_STATUS: peer=12D3KooWS6SPnxiEssNQ4ua1b5PKLxezJCwjscsZ7mfmfthtX93p addr=/ip4/203.0.113.66/tcp/44788 sample_rate=100 connection_status="established" dir="inbound"`},
	{"other", "2026-11-20T11:26:18.698Z\tDEBUG\tupgrader\tupgrader/listener.go:109\tlistener <stream.Listener[TCP] /ip4/0.0.0.0/tcp/5001> got connection: /ip4/203.0.113.1/tcp/5001 <---> /ip4/203.0.113.66/tcp/40028 and so on"},
}

func BenchmarkParse(b *testing.B) {
	p := newParser(b, Options{})
	for _, line := range benchLines {
		b.Run(line.name, func(b *testing.B) {
			var res Result
			b.SetBytes(int64(len(line.text)))
			b.ReportAllocs()
			for b.Loop() {
				p.Parse(Line{Text: line.text}, &res)
			}
			if accepted := res.Reject == Accepted; accepted == (line.name == "other") {
				b.Fatalf("reject = %v", res.Reject)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

// BenchmarkFormats parses one accepted sample of each format, all rules in force.
func BenchmarkFormats(b *testing.B) {
	p := everyRule(b)
	byFormat := map[string]string{}
	all := loadSamples(b)
	for _, impl := range slices.Sorted(maps.Keys(all)) {
		for _, s := range all[impl] {
			if _, has := byFormat[s.Format]; s.Reject == "" && !has {
				byFormat[s.Format] = s.Line
			}
		}
	}
	for _, format := range Formats() {
		line, ok := byFormat[format]
		if !ok {
			continue
		}
		b.Run(format, func(b *testing.B) {
			var res Result
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				p.Parse(Line{Text: line, Ref: sampleRef}, &res)
			}
			if res.Reject != Accepted {
				b.Fatalf("%v: %s", res.Reject, res.Detail)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

// BenchmarkOther drops a line that no rule speaks of, with all rules in force.
func BenchmarkOther(b *testing.B) {
	p := everyRule(b)
	line := benchLines[len(benchLines)-1].text
	var res Result
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		p.Parse(Line{Text: line}, &res)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkPrefilterHostile(b *testing.B) {
	p := newParser(b, Options{})
	text := strings.Repeat("CANONICALCANONICAL", 400)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if p.filter.match(text) {
			b.Fatal("matched")
		}
	}
}
