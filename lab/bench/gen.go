package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// workload is one log to make. The same workload always gives the same bytes.
type workload struct {
	Name  string
	Lines int
	// Share is how much of the log is canonical records, in percent.
	Share int
	// Hosts is how many hosts there are; Distinct gives each line its own.
	Hosts    int
	Distinct bool
	// Format is "slog" (go-libp2p v0.44 and later), "golog" (before) or "json"
	// (before, GOLOG_LOG_FMT=json).
	Format string
	Seed   uint64
}

// base58 is the alphabet of peer ids.
const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// gen writes one workload's lines.
type gen struct {
	workload
	r    *rand.Rand
	zipf *rand.Zipf
	at   time.Time
	n    int
}

// write makes the workload's file, unless it is there.
func (w workload) write(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	w.lines(out)
	if err := out.Flush(); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

func (w workload) lines(out io.Writer) {
	r := rand.New(rand.NewPCG(w.Seed, 1))
	g := &gen{workload: w, r: r, at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	// The exponent is that of requests to public servers, near 1.
	g.zipf = rand.NewZipf(r, 1.1, 8, uint64(w.Hosts-1))
	for range w.Lines {
		g.at = g.at.Add(20 * time.Millisecond)
		if r.IntN(100) < w.Share {
			fmt.Fprintln(out, g.canonical())
		} else {
			fmt.Fprintln(out, g.ordinary())
		}
	}
}

// addr is the multiaddr of a host: three in four IPv4.
func (g *gen) addr() string {
	host := uint32(g.n)
	if !g.Distinct {
		host = uint32(g.zipf.Uint64())
	}
	g.n++
	mixed := host * 2654435761 & (1<<30 - 1) // spread, and still one to one
	port := 1024 + g.r.IntN(60000)
	transport := [...]string{"tcp/%d", "tcp/%d", "tcp/%d/ws", "udp/%d/quic-v1"}[g.r.IntN(4)]
	transport = fmt.Sprintf(transport, port)
	if host%4 == 3 {
		return fmt.Sprintf("/ip6/2001:db8:%x:%x::%x/%s", mixed>>16, mixed&0xffff, 1+g.r.IntN(9), transport)
	}
	// 32.0.0.0 to 95.255.255.255 are public addresses.
	return fmt.Sprintf("/ip4/%d.%d.%d.%d/%s", 32+mixed>>24, mixed>>16&255, mixed>>8&255, mixed&255, transport)
}

func (g *gen) peer() string {
	b := []byte("12D3KooW")
	for range 44 {
		b = append(b, base58[g.r.IntN(len(base58))])
	}
	return string(b)
}

// errs are what go-libp2p prints for handshakes that failed; some hold text
// that a stranger chose.
var errs = [...]string{
	"EOF", "error reading handshake message: EOF", "tls: first record does not look like a TLS handshake",
	"error reading handshake message: read tcp4 198.51.100.1:4001->%d.%d.7.1:40%03d: read: connection reset by peer",
	"tls: client didn't provide a certificate", "remote error: tls: bad certificate",
	"error reading handshake message: noise: message is too short",
	`tls: client requested unsupported application protocols (["x addr=/ip4/192.0.2.7/tcp/%d x"])`,
}

const mod = "/go/pkg/mod/github.com/libp2p/go-libp2p@v0.51.0/p2p/"

// call is where a record comes from: the file in each generation.
var calls = map[string][2]string{
	"":      {"net/swarm/swarm_listen.go:168", "swarm/swarm_listen.go:128"},
	"tls":   {"security/tls/transport.go:96", "tls/transport.go:96"},
	"noise": {"security/noise/transport.go:61", "noise/transport.go:61"},
}

func (g *gen) canonical() string {
	kind, peer, err := "", "", ""
	if g.r.IntN(3) == 0 {
		peer = g.peer()
	} else {
		kind = [...]string{"tls", "noise"}[g.r.IntN(2)]
		err = errs[g.r.IntN(len(errs))]
		if n := countVerbs(err); n > 0 {
			args := []any{g.r.IntN(200), g.r.IntN(200), g.r.IntN(999)}
			err = fmt.Sprintf(err, args[:n]...)
		}
	}
	if g.Format == "slog" {
		return g.slog(kind, peer, err)
	}
	tail := ` connection_status="established" dir="inbound"`
	if kind != "" {
		tail = fmt.Sprintf(" handshake_failure=%q err=%q", kind, err)
	}
	return g.golog("info", "canonical-log", calls[kind][1], fmt.Sprintf("CANONICAL_PEER_STATUS: peer=%s addr=%s sample_rate=100%s", peer, g.addr(), tail))
}

func countVerbs(s string) int {
	n := 0
	for i := range s {
		if s[i] == '%' {
			n++
		}
	}
	return n
}

func (g *gen) slog(kind, peer, err string) string {
	tail := " connection_status=established dir=inbound"
	if kind != "" {
		peer = `""`
		if err != "EOF" {
			err = fmt.Sprintf("%q", err)
		}
		tail = " handshake_failure=" + kind + " err=" + err
	}
	return fmt.Sprintf("time=%s level=INFO source=%s%s msg=CANONICAL_PEER_STATUS peer=%s addr=%s sample_rate=100%s",
		g.at.Format("2006-01-02T15:04:05.000Z"), mod, calls[kind][0], peer, g.addr(), tail)
}

// golog is a line of ipfs/go-log v2.
func (g *gen) golog(level, logger, caller, msg string) string {
	at := g.at.Format("2006-01-02T15:04:05.000Z")
	if g.Format == "json" {
		// zap, unlike encoding/json by default, writes < > & as they are.
		var quoted strings.Builder
		e := json.NewEncoder(&quoted)
		e.SetEscapeHTML(false)
		e.Encode(msg)
		return fmt.Sprintf(`{"level":%q,"ts":%q,"logger":%q,"caller":%q,"msg":%s}`, level, at, logger, caller, strings.TrimSuffix(quoted.String(), "\n"))
	}
	return at + "\t" + map[string]string{"info": "INFO", "debug": "DEBUG"}[level] + "\t" + logger + "\t" + caller + "\t" + msg
}

// ordinary is a line of another of go-libp2p's loggers.
func (g *gen) ordinary() string {
	var logger, caller, msg string
	switch g.r.IntN(4) {
	case 0:
		logger, caller = "swarm2", "swarm/swarm_dial.go:551"
		msg = fmt.Sprintf("[%s] opening connection to [%s]: dial backoff, %d addresses left", g.peer(), g.peer(), g.r.IntN(9))
	case 1:
		logger, caller = "upgrader", "upgrader/listener.go:109"
		msg = fmt.Sprintf("listener <stream.Listener[TCP] /ip4/0.0.0.0/tcp/4001> got connection: /ip4/198.51.100.1/tcp/4001 <---> %s", g.addr())
	case 2:
		logger, caller = "dht", "go-libp2p-kad-dht@v0.30.0/query.go:521"
		msg = fmt.Sprintf("peers heard from %s, %d closer", g.peer(), g.r.IntN(20))
	default:
		logger, caller = "basichost", "basic/basic_host.go:428"
		msg = fmt.Sprintf("negotiated: /ipfs/kad/1.0.0 took %.6fms", g.r.Float64()*100)
	}
	if g.Format == "slog" {
		return fmt.Sprintf("ts=%s level=debug source=%s%s msg=%q logger=%s", g.at.Format("2006-01-02T15:04:05.000Z"), mod, caller, msg, logger)
	}
	return g.golog("debug", logger, caller, msg)
}
