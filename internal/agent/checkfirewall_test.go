package agent

import (
	"errors"
	"os"
	"path/filepath"
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

// A deny list is for a node that runs as another user.
func TestCheckOfADenyFile(t *testing.T) {
	open, closed := t.TempDir(), filepath.Join(t.TempDir(), "closed")
	if err := errors.Join(os.Chmod(open, 0o755), os.Mkdir(closed, 0o700)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(open, "deny"):       "ok ",
		filepath.Join(closed, "deny"):     "warning can't be read by a node that runs as another user",
		open:                              "problem it is there, and is no regular file",
		filepath.Join(open, "no", "deny"): "problem no such file or directory",
	} {
		c := &checker{}
		c.denyFile("firewall denyfile", path)
		level, what, _ := strings.Cut(want, " ")
		if len(c.findings) != 1 || string(c.findings[0].Level) != level || !strings.Contains(c.findings[0].What, what) {
			t.Errorf("%s: %+v, want %s", path, c.findings, want)
		}
	}
}
