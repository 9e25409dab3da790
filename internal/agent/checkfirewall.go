package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/control"
)

// firewall looks at every place that bans are brought to.
func (c *checker) firewall(ctx context.Context) {
	for _, l := range leftBehind(ctx, c.cfg) {
		if l.err != nil {
			l.what, l.fix = l.what+": "+l.err.Error(), firewall.Hint(l.err)
		}
		c.add(Warning, "firewall", l.what, l.fix)
	}
	if f := c.cfg.Firewall; f.NodeNetNS != "" && !f.KillSockets {
		c.add(Warning, "firewall", "node_netns does nothing without kill_sockets: it says where the connections are that this destroys; bans stand in the network namespace of the daemon",
			"where the node's packets don't pass this host's firewall, run p2pban in the node's network namespace")
	}
	doors, err := openDoors(c.cfg, io.Discard)
	if err != nil {
		what, fix, _ := strings.Cut(err.Error(), "\n")
		c.add(Trouble, "firewall", what, fix)
		return
	}
	defer closeDoors(doors)
	for _, d := range doors {
		c.door(ctx, d)
	}
}

// denyFile looks whether the list can be written, and read by others.
func (c *checker) denyFile(about, path string) {
	dir := filepath.Dir(path)
	if err := access(dir); err != nil {
		c.add(Trouble, about, fmt.Sprintf("%s can't be written: %v", path, err), "run the check as the daemon's user, or choose another place")
		return
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		c.add(Trouble, about, path+" can't be written: it is there, and is no regular file", "name a file in it, or choose another place")
		return
	}
	if info, err := os.Stat(dir); err == nil && info.Mode()&0o001 == 0 {
		c.add(Warning, about, fmt.Sprintf("%s can't be read by a node that runs as another user, unless by the group of its directory, which has the mode %s", path, info.Mode()), "choose another directory; in a systemd unit make it writable for the service by a drop-in with ReadWritePaths=")
		return
	}
	c.add(OK, about, path, "")
}

// door looks at one place that bans are brought to.
func (c *checker) door(ctx context.Context, d door) {
	about := "firewall " + d.name
	switch {
	case d.name == "print":
		c.add(Warning, "firewall", "backend = \"print\" only prints: nobody is kept out", "")
	case d.name == "denyfile":
		c.denyFile(about, c.cfg.Firewall.DenyFile)
	case d.name == "kubo":
		if bans, err := d.backend.List(ctx); err != nil {
			c.add(Trouble, about, err.Error(), cmp.Or(firewall.Hint(err), "is the API of a Kubo node at kubo_api?"))
		} else {
			c.add(OK, about, fmt.Sprintf("the node answers and has %d filters of ours", len(bans)), "")
		}
	case !mayAdminNet():
		c.add(Trouble, about, "it answers, but this user may not change it", firewall.Hint(firewall.ErrPermission))
	case d.name == "nftables":
		c.owner(ctx, about, d.backend)
		c.selfTest(ctx, about)
	default:
		c.owner(ctx, about, d.backend)
		c.add(OK, about, "it answers", "")
	}
}

// owner looks whether another daemon than that of this configuration keeps the
// table, which would keep this one from starting.
func (c *checker) owner(ctx context.Context, about string, b firewall.Backend) {
	n, ok := b.(interface{ Owned() error })
	if !ok {
		return
	}
	if _, err := control.NewClient(c.cfg.Daemon.Socket).Status(ctx); err == nil {
		return // it runs, so the table is its own
	}
	if err := n.Owned(); err != nil {
		c.add(Trouble, about, err.Error(), firewall.Hint(err))
	}
}

// selfTest bans a host in a network namespace of the check's own.
func (c *checker) selfTest(ctx context.Context, about string) {
	switch err := firewall.SelfTest(ctx); {
	case errors.Is(err, firewall.ErrPermission):
		c.add(OK, about, "it answers; whether it drops packets was not tried, for lack of the right to make a network namespace", "")
	case err != nil:
		c.add(Trouble, about, "a ban in a network namespace of its own does not work: "+err.Error(), firewall.Hint(err))
	default:
		c.add(OK, about, "it answers, and in a network namespace of its own a ban drops packets and a lifted one does not", "")
	}
}

// mayAdminNet reads CAP_NET_ADMIN from proc_pid_status(5).
func mayAdminNet() bool {
	const capNetAdmin = 12
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), "CapEff:")
	var caps uint64
	if _, err := fmt.Sscanf(strings.TrimSpace(rest), "%x", &caps); err != nil {
		return false
	}
	return caps&(1<<capNetAdmin) != 0
}

// liveTable looks in the kernel for a sample of the bans that the daemon says
// are in force.
func (c *checker) liveTable(ctx context.Context) {
	const about = "firewall nftables"
	var sample []netip.Prefix
	enough := errors.New("enough")
	err := control.NewClient(c.cfg.Daemon.Socket).Bans(ctx, "", func(b control.Ban) error {
		if sample = append(sample, b.Prefix); len(sample) == sampleSize {
			return enough
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		c.add(Warning, about, "the daemon's bans can't be listed: "+err.Error(), "")
		return
	}
	if len(sample) == 0 {
		c.add(OK, about, "the daemon has no ban in force to look for in the live table", "")
		return
	}
	n, err := firewall.NewNFTables(firewall.Options{})
	if err != nil {
		c.add(Warning, about, "the live table can't be read: "+err.Error(), firewall.Hint(err))
		return
	}
	defer n.Close()
	found, err := n.Lookup(ctx, sample)
	switch {
	case err != nil:
		c.add(Warning, about, "the live table can't be read: "+err.Error(), firewall.Hint(err))
	case len(found) < len(sample):
		c.add(Trouble, about, fmt.Sprintf("of %d bans looked for, %d do not stand in the live table", len(sample), len(sample)-len(found)),
			"check again: somebody may have flushed the table this moment, which the daemon puts right (`p2pban status` counts it as repaired); if they never stand, the daemon runs in another network namespace, and the check belongs there")
	default:
		c.add(OK, about, fmt.Sprintf("%d of the daemon's bans were looked for in the live table, and all stand", len(sample)), "")
	}
}
