package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p2pban/p2pban/internal/config"
)

// A check says of a log that any user of the machine writes into that he can have
// anybody banned, unless the operator has said that the source is to be believed.
func TestCheckOfEverybodysLog(t *testing.T) {
	for _, tt := range []struct {
		file  string
		trust bool
		warns bool
	}{
		{"/var/log/syslog", false, true},
		{"/var/log/mess*", false, true},
		{"/var/log/daemon.log", true, false},
		{"/var/log/kubo.log", false, false},
		{"/var/log/ipfs/syslog", false, false},
	} {
		c := &checker{cfg: config.Default()}
		c.source(t.Context(), config.Source{Name: "node", Files: []string{tt.file}, Trust: tt.trust})
		warns := slices.ContainsFunc(c.findings, func(f Finding) bool {
			return f.Level == Warning && strings.Contains(f.What, "every user of this machine") && strings.Contains(f.Fix, "unit = ")
		})
		if warns != tt.warns {
			t.Errorf("%s, trusted %v: warns %v, want %v: %v", tt.file, tt.trust, warns, tt.warns, c.findings)
		}
	}
}

// A check looks at the logs that the daemon follows: of what was rotated away, the
// past is over, and what is compressed is waited for in vain.
func TestCheckOfRotatedLogs(t *testing.T) {
	dir := t.TempDir()
	const (
		forgeable = "2026-11-20T11:17:19.904Z\tWARN\tnet/identify\tidentify/id.go:1\tfailed\n"
		event     = "2026-11-20T11:17:20.000Z\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\tCANONICAL_PEER_STATUS: peer= addr=/ip4/198.51.100.7/tcp/1 sample_rate=100 connection_status=\"established\" dir=\"inbound\"\n"
	)
	for name, text := range map[string]string{"n.log": event, "n.log.1": forgeable, "n.log.2.gz": "\x1f\x8b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[string]Finding{
		"n*":   {Level: OK, What: "1 of 1 lines are events"},
		"*.gz": {Level: Warning, What: "no file " + filepath.Join(dir, "*.gz") + " yet"},
	} {
		c := &checker{cfg: config.Default()}
		c.source(t.Context(), config.Source{Name: "node", Files: []string{filepath.Join(dir, pattern)}})
		if len(c.findings) != 1 || c.findings[0].Level != want.Level || c.findings[0].What != want.What {
			t.Errorf("%s: %+v, want %+v", pattern, c.findings, want)
		}
	}
}

// A check says what it means that all peers have private addresses.
func TestCheckOfPrivateAddresses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.log")
	line := canonical("addr=/ip4/172.17.0.1/tcp/1 sample_rate=100 connection_status=established dir=inbound") + "\n"
	if err := os.WriteFile(path, []byte("started\n"+line+line), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &checker{cfg: config.Default()}
	c.source(t.Context(), config.Source{Name: "node", Files: []string{path}})
	want := Finding{Warning, "source node", "none of 3 lines accuses anybody whom p2pban would ban: 2 name private addresses", publicAddresses}
	if len(c.findings) != 1 || c.findings[0] != want {
		t.Errorf("%+v, want %+v", c.findings, want)
	}
}
