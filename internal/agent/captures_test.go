package agent

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/jail"
)

// The addresses of the captures (testdata/captures/README.md). Only the two of
// the attacker may ever be banned.
const (
	captures   = "../../testdata/captures/go-libp2p"
	attacker4  = "203.0.113.66"
	attacker6  = "2001:db8:a::66"
	strictness = `
[jail.strict]
rules    = ["go-libp2p/*"]
findtime = "24h"
maxretry = 1
bantime  = "24h"
`
)

// replayFiles judges captures with a configuration and gives who was banned.
func replayFiles(t *testing.T, toml string, files ...string) (hosts []string, sum Summary) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p2pban.toml")
	if err := os.WriteFile(path, []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewParser(cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	jails, err := jail.New(cfg.Jails, jail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var in []Capture
	for _, f := range files {
		c, err := OpenCapture(f, nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, c)
	}
	banned := map[string]bool{}
	sum, err = Replay(p, jails, in, func(d jail.Decision) error {
		if d.Action == jail.Ban {
			banned[d.Host.String()] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(banned)), sum
}

// scenario is one row of a capture's index: what the attacker did, and how
// many lines the node wrote about it.
type scenario struct {
	name  string
	lines int64
}

func readIndex(t *testing.T, path string) []scenario {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []scenario
	for row := range strings.Lines(string(b)) {
		cols := strings.Split(row, "\t")
		n, err := strconv.ParseInt(cols[3], 10, 64)
		if err != nil {
			t.Fatalf("%s: %q: %v", path, row, err)
		}
		out = append(out, scenario{cols[0], n})
	}
	return out
}

// expected says, from what the attacker did alone, what the lines must become.
//
// He came over loopback and over link-local addresses (which no firewall rule
// could tell from the node's own neighbours; over WebSocket the node hides
// those in a /dns address), through the innocent relay, over IPv6 in the
// scenarios that say so, and over IPv4 in all others.
func expected(scenarios []scenario) (hosts []string, events int64, rejected map[string]int64) {
	rejected = map[string]int64{}
	banned := map[string]bool{}
	for _, s := range scenarios {
		switch {
		case s.lines == 0: // sampled away
		case strings.HasSuffix(s.name, "-loopback4"), strings.HasSuffix(s.name, "-loopback6"),
			s.name == "est-tcp-linklocal6", s.name == "hs-noise-junk-ll6":
			rejected["private"] += s.lines
		case s.name == "hs-ws-noise-junk-ll6":
			rejected["no-ip"] += s.lines
		case strings.Contains(s.name, "-relay"):
			rejected["relayed"] += s.lines
		case strings.HasSuffix(s.name, "-ip6"):
			banned[attacker6] = true
			events += s.lines
		default:
			banned[attacker4] = true
			events += s.lines
		}
	}
	return slices.Sorted(maps.Keys(banned)), events, rejected
}

// ownAddress counts, by capture, the lines of the loopback scenarios that name
// the node's own public address: the attacker inside the node's namespace was
// given it as an alternative to ::1. A replay can't know that address, so these
// are events; the daemon on the node protects its own addresses.
var ownAddress = map[string]int64{"v0.43.0-nocolor": 1}

func TestMainCaptures(t *testing.T) {
	for _, version := range []string{"v0.22.0", "v0.43.0", "v0.51.0"} {
		for _, format := range []string{"nocolor", "color", "json"} {
			name := version + "-" + format
			t.Run(name, func(t *testing.T) {
				wantHosts, wantEvents, wantRejected := expected(readIndex(t, filepath.Join(captures, name+".index.tsv")))
				wantEvents += ownAddress[name]
				wantRejected["private"] -= ownAddress[name]
				hosts, sum := replayFiles(t, strictness, filepath.Join(captures, name+".log"))
				if diff := cmp.Diff(wantHosts, hosts); diff != "" {
					t.Errorf("banned (-want +got):\n%s", diff)
				}
				if sum.Events != wantEvents {
					t.Errorf("%d events, want %d", sum.Events, wantEvents)
				}
				maps.DeleteFunc(wantRejected, func(_ string, n int64) bool { return n == 0 })
				if diff := cmp.Diff(wantRejected, sum.ByReason()); diff != "" {
					t.Errorf("rejected (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestInnocent replays the captures in which nobody may be banned, and those
// in which only the attacker may.
func TestInnocent(t *testing.T) {
	for file, want := range map[string][]string{
		// The node dialled an innocent peer.
		"v0.22.0-nocolor-outbound.log":      nil,
		"v0.43.0-nocolor-outbound.log":      nil,
		"v0.51.0-nocolor-outbound.log":      nil,
		"v0.51.0-nocolor-outbound-quic.log": nil,
		// The attacker came through an innocent relay.
		"v0.43.0-nocolor-relay-tcp.log": nil,
		"v0.43.0-json-relay-tcp.log":    nil,
		"v0.51.0-nocolor-relay-tcp.log": nil,
		// An authenticated peer answers identify with a forged line. Escaped
		// in JSON and from v0.44 on; in console format the forged line is
		// perfect, but its witness before it has the stream distrusted.
		"v0.22.0-json-identify-injection-warn.log":    nil,
		"v0.43.0-json-identify-injection-warn.log":    nil,
		"v0.51.0-json-identify-injection-warn.log":    nil,
		"v0.51.0-nocolor-identify-injection-warn.log": nil,
		"v0.22.0-nocolor-identify-injection-warn.log": nil,
		"v0.22.0-color-identify-injection-warn.log":   nil,
		"v0.43.0-nocolor-identify-injection-warn.log": nil,
	} {
		t.Run(file, func(t *testing.T) {
			hosts, sum := replayFiles(t, strictness, filepath.Join(captures, file))
			if diff := cmp.Diff(want, hosts); diff != "" {
				t.Errorf("banned (-want +got):\n%s", diff)
			}
			if sum.Lines == 0 {
				t.Error("the capture is empty: nothing was tested")
			}
			if console := strings.Contains(file, "identify") && strings.Contains(file, "color") && !strings.HasPrefix(file, "v0.51"); console != (sum.Risks != 0) {
				t.Errorf("risks %v, want any: %v", sum.Risks.Info(), console)
			}
		})
	}
}

// docsLine is the line of the libp2p documentation (concepts/security/
// dos-mitigation), with the tabs as journalctl shows them.
func docsLine(at time.Time) string {
	return fmt.Sprintf(`Jul 27 %s ipfsNode ipfs[46133]: %s        INFO        canonical-log        swarm/swarm_listen.go:128        CANONICAL_PEER_STATUS: peer=12D3KooWSbNLGMYeUuMSXDiHwbhXHzTJaWZzH95MZzeAob9BeB51 addr=/ip4/147.75.74.239/udp/4001/quic sample_rate=100 connection_status="established" dir="inbound"`,
		at.Format(time.TimeOnly), at.Format("2006-01-02T15:04:05.000Z"))
}

// TestDocsJail is the jail of the libp2p documentation: 90 lines in 3 minutes,
// banned for 10. A line stands for 100 events.
func TestDocsJail(t *testing.T) {
	const toml = `
[jail.libp2p]
rules    = ["go-libp2p/connection"]
findtime = "3m"
maxretry = 9000
bantime  = "10m"
`
	begin := time.Date(2022, 7, 27, 12, 14, 14, 674e6, time.UTC)
	capture := func(t *testing.T, lines int, step time.Duration) string {
		var b strings.Builder
		for i := range lines {
			fmt.Fprintln(&b, docsLine(begin.Add(time.Duration(i)*step)))
		}
		path := filepath.Join(t.TempDir(), "docs.log")
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// The 90th line stands 89 steps after the first; the window of 3 minutes
	// is closed, so 180 s / 89 is the longest step that still bans.
	limit := (3 * time.Minute / 89).Truncate(time.Millisecond)
	for _, c := range []struct {
		name  string
		lines int
		step  time.Duration
		want  []string
	}{
		{"89 lines are not enough", 89, time.Second, nil},
		{"the 90th line bans", 90, time.Second, []string{"147.75.74.239"}},
		{"90 lines within 3 minutes", 90, limit, []string{"147.75.74.239"}},
		{"90 lines in more than 3 minutes", 90, limit + time.Millisecond, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			hosts, sum := replayFiles(t, toml, capture(t, c.lines, c.step))
			if diff := cmp.Diff(c.want, hosts); diff != "" {
				t.Errorf("banned (-want +got):\n%s", diff)
			}
			if int(sum.Events) != c.lines || !sum.First.Equal(begin) {
				t.Errorf("%d events from %v, want %d from %v", sum.Events, sum.First, c.lines, begin)
			}
		})
	}
}
