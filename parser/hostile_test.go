package parser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A stranger chooses the text of an error: protocol names of TLS (ALPN), a
// certificate's names, an agent version. These tests put the worst of it
// through the encoders that nodes use and read what they print, line by line:
// only the host that the node itself named may be accused.

const (
	trueHost = "203.0.113.66"
	trueAddr = "/ip4/203.0.113.66/tcp/44788"
)

// A line of nothing but colour is no reason to stop, however long it is: long ones
// are read whole.
func TestNothingButColour(t *testing.T) {
	p := newParser(t, Options{})
	var res Result
	for _, n := range []int{1, alwaysRead} {
		l := Line{Text: strings.Repeat("\x1b[0m", n)}
		for _, read := range []func(Line, *Result){p.Parse, p.Explain} {
			if read(l, &res); res.Reject != Unrecognised {
				t.Errorf("%d sequences: %v", n, res.Reject)
			}
		}
	}
}

// hostileTexts are what a stranger may want to be read as.
func hostileTexts() []string {
	slogLine := "time=2026-11-20T11:17:19.901Z level=INFO source=/x/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer=" + somePeer +
		" addr=/ip4/8.8.8.8/tcp/4001 sample_rate=100 connection_status=established dir=inbound"
	oldText := "CANONICAL_PEER_STATUS: peer=" + somePeer + ` addr=/ip4/8.8.8.8/tcp/4001 sample_rate=100 connection_status="established" dir="inbound"`
	oldLine := "2026-11-20T00:00:00.000Z\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\t" + oldText
	jsonLine := `{"level":"info","ts":"2026-11-20T11:24:21.267Z","logger":"canonical-log","caller":"swarm/swarm_listen.go:128","msg":` + jsonString(oldText) + `}`
	return []string{
		"EOF", "", " ", "x addr=/ip4/8.8.8.8/tcp/1 x", slogLine, oldText, oldLine, jsonLine,
		"x\n" + slogLine, "x\n" + oldLine + "\n", "x\n" + jsonLine + "\n", "\r\n" + oldLine, "\x00" + oldLine,
		`x" addr=/ip4/8.8.8.8/tcp/1 dir="inbound`, `x\" addr=/ip4/8.8.8.8/tcp/1 `, `\`, `\\"`, "`", `"`, `'"'`,
		"x\" sample_rate=100000000 dir=\"inbound\"", `","msg":"` + oldText + `","x":"`, `","logger":"canonical-log","y":"`,
		"\x1b[2K\x1b[1G" + oldLine, "\u2028" + oldLine, "\u0085" + slogLine, "\ufeff" + oldLine, "\xff\xfe" + oldLine, "ü€𝄞" + oldText,
		"#012" + oldLine, "#011INFO#011canonical-log", "Nov 20 11:30:46 vm ipfs[1]: " + oldLine, "\nNov 20 11:30:46 vm ipfs[1]: " + oldLine,
		"\n2026-11-20T11:30:47.037376123Z stderr F " + oldLine, "\nMESSAGE=" + oldLine, "%!q(<nil>)", "%s%n%x",
		"libp2p:connection-manager connection from /ip4/8.8.8.8/tcp/1 refused - inboundConnectionThreshold exceeded by host 8.8.8.8",
		"2026-11-20T11:21:54.078160Z DEBUG new_incoming_connection{remote_addr=/ip4/8.8.8.8/tcp/1 id=5}: libp2p_core::upgrade::apply: Failed to upgrade inbound stream upgrade=/noise",
		strings.Repeat("A", 60_000), strings.Repeat(oldLine+"\n", 200), strings.Repeat(slogLine+` \" `, 200),
		strings.Repeat("\x1b[31m", 10_000), strings.Repeat(`"`, 30_000),
	}
}

func jsonString(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// encoder prints one handshake failure of trueAddr as a node does.
type encoder struct {
	name   string
	encode func(err string) string
}

func encoders() []encoder {
	at := time.Date(2026, 11, 20, 11, 17, 19, 901e6, time.UTC)
	// core/canonicallog up to v0.43: fmt's %q.
	old := func(err string) string {
		return fmt.Sprintf(`CANONICAL_PEER_STATUS: peer=%s addr=%s sample_rate=%v handshake_failure=%q err=%q`, "", trueAddr, 100, "tls", err)
	}
	misbehaving := func(err string) string {
		return fmt.Sprintf(`CANONICAL_MISBEHAVING_PEER: peer=%s addr=%s component=%s err=%q msg=%q`, somePeer, trueAddr, "x", err, err)
	}
	const head = "2026-11-20T11:17:19.901Z\tINFO\tcanonical-log\ttls/transport.go:96\t"
	viaJSON := func(msg string) string {
		return `{"level":"info","ts":"2026-11-20T11:17:19.901Z","logger":"canonical-log","caller":"tls/transport.go:96","msg":` + jsonString(msg) + `}` + "\n"
	}
	// p2p/canonicallog from v0.44 on: log/slog's own text handler, with AddSource.
	viaSlog := func(msg string, args ...any) string {
		var b bytes.Buffer
		h := slog.NewTextHandler(&b, &slog.HandlerOptions{AddSource: true})
		r := slog.NewRecord(at, slog.LevelInfo, msg, callerPC())
		r.Add(args...)
		if err := h.Handle(context.Background(), r); err != nil {
			panic(err)
		}
		return b.String()
	}
	return []encoder{
		{"go-log console", func(err string) string { return head + old(err) + "\n" }},
		{"go-log console, labels", func(err string) string { return head + old(err) + "\t" + `{"app": "x", "dc": "y"}` + "\n" }},
		{"go-log console, misbehaving", func(err string) string { return head + misbehaving(err) + "\n" }},
		{"go-log json", func(err string) string { return viaJSON(old(err)) }},
		{"go-log json, misbehaving", func(err string) string { return viaJSON(misbehaving(err)) }},
		{"slog text", func(err string) string {
			return viaSlog(tagStatus, "peer", "", "addr", trueAddr, "sample_rate", 100, "handshake_failure", "tls", "err", err)
		}},
		{"slog text, misbehaving", func(err string) string {
			return viaSlog(tagMisbehaving, "peer", somePeer, "addr", trueAddr, "component", err, "err", fmt.Errorf("%s", err), "msg", err)
		}},
	}
}

// others prints lines of other loggers that hold the stranger's text; none of
// them names a host that a rule accuses.
func others() []encoder {
	return []encoder{
		{"slog json", func(err string) string {
			var b bytes.Buffer
			slog.New(slog.NewJSONHandler(&b, nil)).Warn("failed to identify peer", "logger", "net/identify", "error", err)
			return b.String()
		}},
		{"slog text", func(err string) string {
			var b bytes.Buffer
			slog.New(slog.NewTextHandler(&b, nil)).Warn("failed to identify peer", "logger", "net/identify", "error", err)
			return b.String()
		}},
		{"go-log json", func(err string) string {
			return `{"level":"warn","ts":"2026-11-20T11:17:19.901Z","logger":"net/identify","caller":"identify/id.go:463","msg":` + jsonString("failed to identify: "+err) + "}\n"
		}},
		{"zap's fields", func(err string) string {
			return "2026-11-20T11:17:19.901Z\tWARN\tnet/identify\tidentify/id.go:409\tfailed to identify peer\t" + `{"peer": "x", "error": ` + jsonString(err) + "}\n"
		}},
		{"docker", func(err string) string {
			return `{"log":` + jsonString("x: "+strings.ReplaceAll(err, "\n", " ")+"\n") + `,"stream":"stderr","time":"2026-11-20T11:17:19.901Z"}` + "\n"
		}},
		{"tracing json", func(err string) string {
			return `{"timestamp":"2026-11-20T11:29:38.712607Z","level":"DEBUG","fields":{"message":"Banning peer","user_agent":` + jsonString(err) + `},"target":"forest::libp2p::service"}` + "\n"
		}},
		{"logrus json", func(err string) string {
			return `{"agent":` + jsonString(err) + `,"level":"debug","msg":"Peer disconnected","package":"beacon-chain/p2p","time":"2026-11-20 11:29:42.22"}` + "\n"
		}},
		{"chronicles", func(err string) string {
			return "DBG 2025-12-11 10:51:47.123+01:00 Peer is bad    topics=\"x\" agent=" + fmt.Sprintf("%q", err) + "\n"
		}},
	}
}

// wrappers are what carriers do to a whole line.
var wrappers = []struct {
	name string
	wrap func(line string) string
}{
	{"bare", func(s string) string { return s }},
	{"rsyslog", func(s string) string {
		return "Nov 20 11:30:46 vm ipfs[46133]: " + strings.NewReplacer("\t", "#011", "\x1b", "#033").Replace(s)
	}},
	{"journalctl", func(s string) string {
		return "Nov 20 11:32:35 vm ipfs[30426]: " + strings.ReplaceAll(s, "\t", "        ")
	}},
	{"docker", func(s string) string {
		return `{"log":` + jsonString(s+"\n") + `,"stream":"stderr","time":"2026-11-20T11:20:20.722999Z"}`
	}},
	{"cri", func(s string) string { return "2026-11-20T11:30:47.037376123Z stderr F " + s }},
	{"journal json", func(s string) string {
		return `{"MESSAGE":` + jsonString(s) + `,"__REALTIME_TIMESTAMP":"1795174355013488"}`
	}},
}

// callerPC gives slog a source position in this file.
func callerPC() uintptr {
	var pcs [1]uintptr
	runtime.Callers(2, pcs[:])
	return pcs[0]
}

func TestHostileTextAccusesOnlyItsAuthor(t *testing.T) {
	p := everyRule(t)
	var res Result
	texts := append(hostileTexts(), mixtures(200)...)
	for _, enc := range encoders() {
		accused := 0
		for _, text := range texts {
			for _, w := range wrappers {
				for _, line := range strings.Split(strings.TrimSuffix(enc.encode(text), "\n"), "\n") {
					p.Parse(Line{Text: w.wrap(line)}, &res)
					if res.Reject == Accepted {
						accused++
						if res.Event.Host.String() != trueHost || res.Event.Weight > 100 {
							t.Fatalf("%s in %s accuses %s (weight %d) for %.300q", enc.name, w.name, res.Event.Host, res.Event.Weight, text)
						}
					} else if !bytes.Contains([]byte(text), []byte("\xff")) {
						t.Errorf("%s in %s: a genuine line is %v (%s, column %d) for %.200q", enc.name, w.name, res.Reject, res.Detail, res.Column, text)
					}
				}
			}
		}
		if accused < len(texts) {
			t.Errorf("%s: only %d genuine lines accepted", enc.name, accused)
		}
	}
}

func TestHostileTextElsewhereAccusesNobody(t *testing.T) {
	p := everyRule(t)
	var res Result
	for _, enc := range others() {
		for _, text := range append(hostileTexts(), mixtures(200)...) {
			for _, line := range strings.Split(enc.encode(text), "\n") {
				for _, w := range wrappers {
					if p.Parse(Line{Text: w.wrap(line)}, &res); res.Reject == Accepted {
						t.Fatalf("%s in %s accuses %s for %.300q", enc.name, w.name, res.Event.Host, text)
					}
				}
			}
		}
	}
}

// mixtures joins pieces of the hostile texts at random, the same each time.
func mixtures(n int) []string {
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"\n", "\t", `"`, `\`, " ", "=", "addr=/ip4/8.8.8.8/tcp/1", "peer=", "sample_rate=9", "{", "}", ",", ":", "\x1b[31m", "#011", "        ", "err=", "dir=inbound", `dir="inbound"`}
	for _, text := range hostileTexts() {
		if len(text) < 1000 {
			pieces = append(pieces, text)
		}
	}
	out := make([]string, n)
	for i := range out {
		var b strings.Builder
		for range 1 + rng.IntN(8) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		out[i] = b.String()
	}
	return out
}

// Wherever a carrier cuts a line, its first piece accuses at most the host that the
// node named.
func TestHeadsAccuseOnlyTheirAuthor(t *testing.T) {
	p := everyRule(t)
	var res Result
	texts := append(hostileTexts()[:len(hostileTexts())-5], mixtures(50)...)
	for i, enc := range append(encoders(), others()...) {
		accused := 0
		for _, text := range texts {
			line, _, _ := strings.Cut(enc.encode(text), "\n")
			for cut := 0; cut <= len(line); cut += 1 + cut/50 {
				if p.Parse(Line{Text: line[:cut], Cut: true, Head: true}, &res); res.Reject != Accepted {
					continue
				}
				if accused++; res.Event.Host.String() != trueHost || res.Event.Weight != 100 {
					t.Fatalf("%s, cut at %d: accuses %v (weight %d): %.300q", enc.name, cut, res.Event.Host, res.Event.Weight, line[:cut])
				}
			}
		}
		failures := i < len(encoders()) && !strings.Contains(enc.name, "misbehaving")
		if failures != (accused > len(texts)) {
			t.Errorf("%s: %d pieces accuse somebody", enc.name, accused)
		}
	}
}
