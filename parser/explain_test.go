package parser

import (
	"strings"
	"sync"
	"testing"
)

// The column is the byte of the line, carrier included, where reading failed.
func TestColumn(t *testing.T) {
	const slogHead = "time=2026-11-20T11:17:22.191Z level=INFO source=/x/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer="
	const oldHead = "2026-11-20T11:20:20.722Z\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\tCANONICAL_PEER_STATUS: peer="
	p := newParser(t, Options{})
	var res Result
	for _, c := range []struct{ line, at string }{
		{slogHead + `"" addr=/ip4/203.0.113.7/tcp/1 sample_rate=1 dir=in"bound`, `"bound`},
		{slogHead + `"" addr=/ip4/203.0.113.7/tcp/1 sample_rate=1 err="x`, `"x`},
		{"Nov 20 11:30:46 vm ipfs[46133]: " + slogHead + `"" addr=/ip4/203.0.113.7/tcp/1 sample_rate=1 err="x`, `"x`},
		{oldHead + ` addr=/ip4/203.0.113.7/tcp/1 sample=1`, ` sample=1`},
		{"2026-11-20T11:30:47.037376123Z stderr F " + oldHead + ` addr=/ip4/203.0.113.7/tcp/1 sample=1`, ` sample=1`},
		{oldHead + ` addr=/ip4/203.0.113.7/tcp/1 sample_rate=1` + "\tx", "\tx"},
		{"x " + slogHead, "CANONICAL"},
		{"2026-11-20T11:26:37.436Z\tDEBUG\tupgrader\tupgrader/listener.go:125\taccept: CANONICAL_PEER_STATUS: x", "CANONICAL"},
	} {
		p.Explain(Line{Text: c.line}, &res)
		want := strings.Index(c.line, c.at) + 1
		if c.at == "\tx" {
			want++ // the labels, not the tab before them
		}
		if res.Column != want || res.Reject == Accepted || res.Detail == "" {
			t.Errorf("column %d, want %d: %v (%s)\n%s", res.Column, want, res.Reject, res.Detail, c.line)
		}
	}
}

// Explain says of an ordinary line what it is made of, and of one with a rule
// that is not in force, or a reason to have none, which.
func TestExplain(t *testing.T) {
	p := newParser(t, Options{Rules: []string{"go-libp2p/connection"}})
	var res Result
	upgrade := `ts=2026-11-20T11:26:39.722Z level=debug source=/x/listener.go:114 msg="accept upgrade error" logger=upgrader err="EOF" local_multiaddr=/ip4/203.0.113.1/tcp/5001 remote_multiaddr=/ip4/203.0.113.66/tcp/42504`
	upgrade = strings.Replace(upgrade, `"EOF"`, "EOF", 1)
	p.Explain(Line{Text: upgrade}, &res)
	err, _ := res.Record.Get("err")
	if res.Format != "slog-text" || res.Record.Logger != "upgrader" || res.Record.Level != "debug" || err != "EOF" || res.Record.Message != "accept upgrade error" {
		t.Errorf("%s %+v", res.Format, res.Record)
	}
	if res.Reject != NoRule || res.Rule == nil || res.Rule.Name != "go-libp2p/upgrade" || !strings.Contains(res.Detail, "not in force") {
		t.Errorf("%v (%s)", res.Reject, res.Detail)
	}
	p.Parse(Line{Text: upgrade}, &res)
	if res.Reject != Unrecognised || res.Format != "" || len(res.Record.Fields) != 0 {
		t.Errorf("the quick path read an ordinary line: %v %q", res.Reject, res.Format)
	}
	p.Explain(Line{Text: "2026-11-20T11:06:57.317Z libp2p:connection-manager connection from /ip4/203.0.113.88/tcp/44109 refused - maxConnections exceeded"}, &res)
	if res.Reject != NoRule || !strings.Contains(res.Detail, "because the count is of all hosts together") {
		t.Errorf("%v (%s)", res.Reject, res.Detail)
	}
	p.Explain(Line{Text: "hello"}, &res)
	if res.Reject != Unrecognised || res.Format != "" || res.Column != 0 {
		t.Errorf("%v %q", res.Reject, res.Format)
	}
}

// A piece of a longer line is no evidence by itself, and says that its rest follows.
func TestCut(t *testing.T) {
	p := newParser(t, Options{})
	genuine := benchLines[0].text
	var res Result
	if p.Parse(Line{Text: genuine, Cut: true}, &res); res.Reject != Cut || res.Event.Host.IsValid() {
		t.Errorf("a cut line is %v", res.Reject)
	}
	for _, piece := range []string{
		strings.Repeat("x", journalLineMax),
		"Nov 20 11:30:46 vm ipfs[1]: " + strings.Repeat("x", journalLineMax),
		"2026-11-20T11:30:47.037376123Z stderr P " + strings.Repeat("x", 16<<10),
		`{"log":"` + strings.Repeat("x", 16<<10) + `","stream":"stderr","time":"2026-11-20T11:20:20.722999Z"}`,
	} {
		if p.Parse(Line{Text: piece}, &res); res.Reject != Cut || !res.Continues {
			t.Errorf("%.40s…: %v, continues %v", piece, res.Reject, res.Continues)
		}
	}
}

// One Parser serves many goroutines, each with a Result of its own.
func TestConcurrentUse(t *testing.T) {
	p := everyRule(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var res Result
			for range 200 {
				for _, line := range benchLines {
					p.Parse(Line{Text: line.text}, &res)
					if accepted := res.Reject == Accepted; accepted == (line.name == "other") {
						t.Errorf("%s: %v", line.name, res.Reject)
					}
				}
			}
		})
	}
	wg.Wait()
}
