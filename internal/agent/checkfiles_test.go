package agent

import (
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
