package agent

import (
	"bufio"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
)

// findProtected lists the addresses whose ban would cut this machine off: its
// own, its gateways, its resolvers, and where the operator who starts the
// daemon is logged in from. What can't be found out is told and left out.
func findProtected(log *slog.Logger) map[string][]netip.Prefix {
	lists := map[string][]netip.Prefix{}
	for name, find := range map[string]func() ([]netip.Addr, error){
		"own addresses": ownAddresses,
		"gateways":      gateways,
		"resolvers":     resolvers,
		"your login":    login,
	} {
		addrs, err := find()
		if err != nil {
			log.Warn("can't find addresses to protect", "list", name, "error", err)
		}
		for _, a := range addrs {
			a = a.Unmap().WithZone("")
			lists[name] = append(lists[name], netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return lists
}

func ownAddresses() ([]netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	var out []netip.Addr
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip)
			}
		}
	}
	return out, err
}

func gateways() ([]netip.Addr, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	var out []netip.Addr
	for _, r := range routes {
		if ip, ok := netip.AddrFromSlice(r.Gw); ok {
			out = append(out, ip)
		}
	}
	return out, err
}

// resolvers reads resolv.conf(5).
func resolvers() ([]netip.Addr, error) {
	f, err := os.Open("/etc/resolv.conf")
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []netip.Addr
	for s := bufio.NewScanner(f); s.Scan(); {
		if words := strings.Fields(s.Text()); len(words) >= 2 && words[0] == "nameserver" {
			if ip, err := netip.ParseAddr(words[1]); err == nil {
				out = append(out, ip)
			}
		}
	}
	return out, nil
}

// login reads SSH_CONNECTION (ssh(1)): "client port server port".
func login() ([]netip.Addr, error) {
	words := strings.Fields(os.Getenv("SSH_CONNECTION"))
	if len(words) != 4 {
		return nil, nil
	}
	ip, err := netip.ParseAddr(words[0])
	if err != nil {
		return nil, err
	}
	return []netip.Addr{ip}, nil
}
