package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/config"
)

// door is one place that bans are brought to. Each has an enforcer of its own,
// so that one that fails holds no other up.
type door struct {
	name    string
	backend firewall.Backend
}

// openDoors makes every door that is configured, the kernel's first. out is
// where the print backend writes.
func openDoors(cfg *config.Config, out io.Writer) ([]door, error) {
	var doors []door
	add := func(name string, b firewall.Backend, err error) error {
		if err != nil {
			return withHint(err)
		}
		doors = append(doors, door{name, b})
		return nil
	}
	c := cfg.Firewall
	var err error
	if c.Backend != "none" {
		name, b, openErr := openKernel(c, out)
		err = add(name, b, openErr)
	}
	if err == nil && c.KuboAPI != "" {
		b, openErr := firewall.NewKubo(firewall.KuboOptions{
			API: c.KuboAPI, Authorization: c.KuboAuthorization,
			File: filepath.Join(filepath.Dir(cfg.Daemon.State), "kubo-filters"),
		})
		err = add("kubo", b, openErr)
	}
	if err == nil && c.DenyFile != "" {
		err = add("denyfile", firewall.NewDenyFile(c.DenyFile, nil), nil)
	}
	if err != nil {
		closeDoors(doors)
		return nil, err
	}
	return doors, nil
}

// openKernel makes the backend of the kernel's firewall.
func openKernel(c config.Firewall, out io.Writer) (string, firewall.Backend, error) {
	o := firewall.Options{Ports: c.Ports, Protocols: c.Protocols, KillSockets: c.KillSockets, NodeNetNS: c.NodeNetNS, Exclusive: true}
	switch c.Backend {
	case "print":
		return "print", firewall.NewPrint(out), nil
	case "nftables":
		b, err := firewall.NewNFTables(o)
		return "nftables", b, err
	case "iptables":
		b, err := firewall.NewIPTables(o)
		return "iptables", b, err
	}
	b, name, err := firewall.Auto(o)
	return name, b, err
}

// flushOther takes away what a daemon with another backend has left in the kernel: its
// bans would outlive their end here, and no unban would reach them.
func flushOther(ctx context.Context, door string, log *slog.Logger) {
	removed, err := firewall.FlushOther(ctx, door)
	if len(removed) > 0 {
		log.Info("removed what was left of another backend", "removed", removed)
	}
	if err != nil {
		log.Warn("what another backend left can't be removed, and may ban hosts that are let in: stop the daemon, run p2pban flush, start it", "error", err)
	}
}

// leavesKernel tells whether no door is the kernel's firewall.
func leavesKernel(c config.Firewall) bool { return c.Backend == "print" || c.Backend == "none" }

// leftInKernel names what a daemon with another backend has left in a kernel that is
// to be left alone. Whoever may not see it can't have bans there to look after.
func leftInKernel(ctx context.Context) (string, error) {
	left, err := firewall.Left(ctx)
	if errors.Is(err, firewall.ErrPermission) {
		err = nil
	}
	return strings.Join(left, " and "), err
}

// What there is to say of it, and to do.
const (
	leftWhat = "another backend has left its bans in the kernel: until they end they keep hosts out, and unban does not lift them"
	leftFix  = "`p2pban flush` removes them"
)

// warnOfLeft says what of ours stands in a kernel that is to be left alone.
func warnOfLeft(ctx context.Context, log *slog.Logger) {
	left, err := leftInKernel(ctx)
	if left != "" {
		log.Warn(leftWhat+"; "+leftFix, "left", left)
	}
	if err != nil {
		log.Warn("whether another backend has left bans in the kernel can't be seen", "error", err)
	}
}

func closeDoors(doors []door) {
	for _, d := range doors {
		d.backend.Close()
	}
}

// withHint adds what an operator can do about a firewall's error.
func withHint(err error) error {
	if hint := firewall.Hint(err); hint != "" {
		return fmt.Errorf("%w\n%s", err, hint)
	}
	return err
}
