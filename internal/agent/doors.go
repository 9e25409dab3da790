package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
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
		b, openErr := openKubo(cfg)
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

func openKubo(cfg *config.Config) (*firewall.Kubo, error) {
	return firewall.NewKubo(firewall.KuboOptions{
		API: cfg.Firewall.KuboAPI, Authorization: cfg.Firewall.KuboAuthorization, File: kuboFilters(cfg),
	})
}

// kuboFilters is the file that keeps which of a Kubo node's filters are ours.
func kuboFilters(cfg *config.Config) string {
	return filepath.Join(filepath.Dir(cfg.Daemon.State), "kubo-filters")
}

// leaveOldNode takes our filters out of the Kubo node that kubo_api named before, if
// it names another now; nothing there ends by itself. Where that can't be reached it
// may be the same one, which has moved.
func leaveOldNode(ctx context.Context, cfg *config.Config) (removed int, node string, err error) {
	n, node, err := firewall.KuboFilters(kuboFilters(cfg))
	if err != nil || n == 0 || node == "" || cfg.Firewall.KuboAPI == "" || node == cfg.Firewall.KuboAPI {
		return 0, "", nil // an error comes again from the door
	}
	old := *cfg
	old.Firewall.KuboAPI, old.Firewall.KuboAuthorization = node, "" // which is another's
	k, err := openKubo(&old)
	if err == nil {
		removed, err = k.Flush(ctx)
	}
	if err != nil {
		err = fmt.Errorf("%w\nkubo_api named it before: if it is another node than that at %s it keeps %d filters of ours for ever, which `ipfs swarm filters` lists there", err, cfg.Firewall.KuboAPI, n)
	}
	return removed, node, err
}

// tellOfOldNode does it when the daemon starts.
func tellOfOldNode(ctx context.Context, cfg *config.Config, log *slog.Logger) {
	switch n, node, err := leaveOldNode(ctx, cfg); {
	case err != nil:
		log.Warn("the Kubo node that was named before can't be asked", "node", node, "error", err)
	case n > 0:
		log.Info("another Kubo node is named now; our filters were removed from the one before", "node", node, "filters", n)
	}
}

// FlushDoors removes what stands of ours in the doors beside the kernel's, and says
// what it removed: nothing there ends by itself. It needs no daemon, but a running
// one will put its bans back.
func FlushDoors(ctx context.Context, cfg *config.Config) (removed []string, err error) {
	flush := func(what, where string, do func(context.Context) (int, error)) {
		n, errDoor := do(ctx)
		if errDoor != nil {
			err = errors.Join(err, fmt.Errorf("%s %s: %w", what, where, errDoor))
		} else if n > 0 {
			removed = append(removed, fmt.Sprintf("%d %s %s", n, what, where))
		}
	}
	n, node, errOld := leaveOldNode(ctx, cfg)
	flush("filters in the Kubo node at", node, func(context.Context) (int, error) { return n, errOld })
	if api := cfg.Firewall.KuboAPI; api != "" {
		flush("filters in the Kubo node at", api, func(ctx context.Context) (int, error) {
			k, err := openKubo(cfg)
			if err != nil {
				return 0, err
			}
			return k.Flush(ctx)
		})
	}
	if file := cfg.Firewall.DenyFile; file != "" {
		flush("addresses in", file, firewall.NewDenyFile(file, nil).Flush)
	}
	return removed, err
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
	if err != nil && ctx.Err() == nil { // a daemon that ends looks at its next start
		log.Warn("what another backend left can't be removed, and may ban hosts that are let in: stop the daemon, run p2pban flush, start it", "error", err)
	}
}

// BansInKernel tells whether one of the doors is the kernel's firewall.
func BansInKernel(cfg *config.Config) bool {
	return cfg.Firewall.Backend != "print" && cfg.Firewall.Backend != "none"
}

// left is what doors that the configuration does not name any more still keep.
type left struct {
	what, fix string
	err       error // what is left can't be seen
}

// leftBehind looks for it: in a kernel that is to be left alone, and in a Kubo node.
func leftBehind(ctx context.Context, cfg *config.Config) []left {
	var out []left
	if !BansInKernel(cfg) {
		standing, err := firewall.Left(ctx)
		if len(standing) > 0 {
			out = append(out, left{
				what: "another backend has left its bans in the kernel: until they end they keep hosts out, and unban does not lift them (" + strings.Join(standing, " and ") + ")",
				fix:  "`p2pban flush` removes them",
			})
		}
		// Whoever may not look has no bans there to look after.
		if err != nil && !errors.Is(err, firewall.ErrPermission) {
			out = append(out, left{what: "whether another backend has left bans in the kernel can't be seen", err: err})
		}
	}
	if cfg.Firewall.KuboAPI == "" {
		switch n, node, err := firewall.KuboFilters(kuboFilters(cfg)); {
		case err != nil:
			out = append(out, left{what: "whether a Kubo node has filters of ours can't be seen", err: err})
		case n > 0:
			out = append(out, left{
				what: strings.TrimSpace("a Kubo node that kubo_api named before has " + strconv.Itoa(n) + " filters of ours, and keeps them for ever: " + node),
				fix:  "name it again and run `p2pban flush`; " + kuboFilters(cfg) + " lists them",
			})
		}
	}
	return out
}

// warnOfLeft says in the log what is left behind.
func warnOfLeft(ctx context.Context, cfg *config.Config, log *slog.Logger) {
	for _, l := range leftBehind(ctx, cfg) {
		if l.err != nil {
			log.Warn(l.what, "error", l.err)
		} else {
			log.Warn(l.what, "cure", l.fix)
		}
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
