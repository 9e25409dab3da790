package agent

import (
	"strings"
	"testing"

	"github.com/p2pban/p2pban/internal/config"
)

// TestCheckOfANodesNamespace: an operator who names the node's namespace takes it for
// where the bans are put, and would have nobody kept out.
func TestCheckOfANodesNamespace(t *testing.T) {
	for kill, want := range map[bool]bool{false: true, true: false} {
		c := &checker{cfg: config.Default()}
		c.cfg.Firewall = config.Firewall{Backend: "print", NodeNetNS: "/run/netns/kubo", KillSockets: kill}
		c.firewall(t.Context())
		said := false
		for _, f := range c.findings {
			said = said || f.Level == Warning && strings.Contains(f.What, "node_netns does nothing")
		}
		if said != want {
			t.Errorf("with kill_sockets = %v the check says %+v", kill, c.findings)
		}
	}
}
