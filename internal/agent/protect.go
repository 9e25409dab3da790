package agent

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// Pace of looking for the addresses to protect: at once when the kernel tells
// of a change, and now and then for what it does not tell (resolvers, logins).
const (
	protectEvery  = 30 * time.Second
	protectSettle = 200 * time.Millisecond // an interface comes up in several steps
	// protectShare bounds what looking costs where routes change all the time: one
	// part in protectShare of the time. The pause after a look is protectEvery at most.
	protectShare = 20
	// maxKept bounds what a list grows to while its finder fails and what it still
	// gives changes: addresses found now come first, then those known before.
	maxKept = 1000
)

// protected lists the addresses whose ban would cut this machine or its
// operator off, by the name of the list.
type protected map[string][]netip.Prefix

// finders gives the addresses of each list: this machine's own, its gateways,
// its resolvers, and where operators are logged in from. One that fails may
// still give some.
var finders = map[string]func() ([]netip.Addr, error){
	"own addresses": ownAddresses,
	"gateways":      gateways,
	"resolvers":     resolvers,
	"ssh sessions":  logins,
}

// findProtected looks for all of them. Where it can't look properly, what is
// known stays: a shortage of file descriptors must not make the gateway bannable.
func findProtected(finders map[string]func() ([]netip.Addr, error), known protected, log *slog.Logger) protected {
	lists := protected{}
	for name, find := range finders {
		lists[name] = []netip.Prefix{}
		addrs, err := find()
		for _, a := range addrs {
			a = a.Unmap().WithZone("")
			if p := netip.PrefixFrom(a, a.BitLen()); a.IsValid() && !slices.Contains(lists[name], p) {
				lists[name] = append(lists[name], p)
			}
		}
		if err != nil {
			var forgotten int
			lists[name], forgotten = keepKnown(lists[name], known[name])
			log.Warn("can't find all addresses to protect; what was known stays", "list", name, "error", err, "known", len(known[name]), "forgotten", forgotten)
		}
		slices.SortFunc(lists[name], netip.Prefix.Compare)
	}
	return lists
}

// keepKnown adds what was known to what was found, as far as there is room, and
// says for how many there is none.
func keepKnown(found, known []netip.Prefix) (list []netip.Prefix, forgotten int) {
	room := max(maxKept, len(known)) // what was found in one look is no growth
	for _, p := range known {
		switch {
		case slices.Contains(found, p):
		case len(found) < room:
			found = append(found, p)
		default:
			forgotten++
		}
	}
	return found, forgotten
}

func ownAddresses() ([]netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	var out []netip.Addr
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			ip, _ := netip.AddrFromSlice(n.IP)
			out = append(out, ip)
		}
	}
	return out, err
}

// gateways reads the routes one by one: a router of the internet has a million,
// with a handful of gateways.
func gateways() ([]netip.Addr, error) {
	found := map[netip.Addr]bool{}
	err := netlink.RouteListFilteredIter(netlink.FAMILY_ALL, &netlink.Route{}, 0, func(r netlink.Route) bool {
		if ip, ok := netip.AddrFromSlice(r.Gw); ok {
			found[ip] = true
		}
		if via, ok := r.Via.(*netlink.Via); ok { // of the other family
			ip, _ := netip.AddrFromSlice(via.Addr)
			found[ip] = true
		}
		for _, hop := range r.MultiPath {
			ip, _ := netip.AddrFromSlice(hop.Gw)
			found[ip] = true
		}
		return true
	})
	return slices.Collect(maps.Keys(found)), err
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
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) >= 2 && words[0] == "nameserver" {
			if ip, err := netip.ParseAddr(words[1]); err == nil {
				out = append(out, ip)
			}
		}
	}
	return out, lines.Err()
}

// keepProtected tells the engine of every change, until ctx ends.
func (e *engine) keepProtected(ctx context.Context, known protected) error {
	changes := networkChanges(ctx, e.log)
	every := time.NewTicker(protectEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
			if !pause(ctx, protectSettle) {
				return nil
			}
		case <-every.C:
		}
		began := time.Now()
		found := findProtected(finders, known, e.log)
		rest := min((protectShare-1)*time.Since(began), protectEvery)
		for _, name := range slices.Sorted(maps.Keys(found)) {
			if slices.Equal(found[name], known[name]) {
				continue
			}
			e.log.Info("protected addresses changed", "list", name, "addresses", found[name])
			err := e.ask(ctx, func() { e.settle(e.jails.SetProtected(e.now(), name, found[name])) })
			if err != nil {
				return nil // ctx ended
			}
		}
		known = found
		if !pause(ctx, rest) {
			return nil
		}
	}
}

// networkChanges gives a value after each change of an address or a route.
// Where the kernel does not tell, the regular look has to do.
func networkChanges(ctx context.Context, log *slog.Logger) <-chan struct{} {
	changed := make(chan struct{}, 1)
	notify := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	addrs, routes := make(chan netlink.AddrUpdate), make(chan netlink.RouteUpdate)
	late := func(what string, err error) { log.Warn("changes of "+what+" are seen late", "error", err) }
	if err := netlink.AddrSubscribe(addrs, ctx.Done()); err != nil {
		late("addresses", err)
	} else {
		go forward(ctx, addrs, notify, func() { late("addresses", errNoMore) })
	}
	if err := netlink.RouteSubscribe(routes, ctx.Done()); err != nil {
		late("gateways", err)
	} else {
		go forward(ctx, routes, notify, func() { late("gateways", errNoMore) })
	}
	return changed
}

// errNoMore is why a subscription ended: netlink gives it up at its first error, as
// when more has changed at once than the kernel keeps.
var errNoMore = errors.New("the kernel's messages of them ended with an error")

// forward has every update noted. They end with ctx, or else early.
func forward[T any](ctx context.Context, updates <-chan T, notify, early func()) {
	for range updates {
		notify()
	}
	if ctx.Err() == nil {
		early()
	}
}
