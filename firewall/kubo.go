package firewall

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// KuboOptions says where the node is.
type KuboOptions struct {
	// API is the address of the node's RPC API: /ip4/127.0.0.1/tcp/5001,
	// /unix/PATH or a URL.
	API string
	// Authorization is the value of the Authorization header, where the node's
	// configuration asks for one (API.Authorizations); else empty.
	Authorization string
	// File keeps the filters that are ours. The node's filters are part of its
	// configuration and outlive it and us: without the file, a filter whose ban
	// ended while we were not running would stay for ever, and the operator's
	// own filters could not be told from ours.
	File string
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// Kubo keeps bans as address filters of a Kubo node, over its RPC API: where
// there is no root, or where the node shall not dial a banned host either. The
// node refuses filtered addresses in both directions; connections that stand
// are closed when the ban is made. Filters of others are left alone.
type Kubo struct {
	rpc  *kuboRPC
	api  string
	file string
	now  func() time.Time

	mu   sync.Mutex // guards the fields below
	bans bansInMemory
	// ours are the filters we put into the node, which the file records. It is
	// written before one is added and after one is removed.
	ours  map[netip.Prefix]bool
	noted bool // which node they are in
}

var (
	_ Backend  = (*Kubo)(nil)
	_ Verifier = (*Kubo)(nil)
	_ Watcher  = (*Kubo)(nil)
)

// maxKuboFilters bounds the filters we put into a node, which looks through
// them one by one for every connection.
const maxKuboFilters = 20_000

// NewKubo returns the backend. It does not ask the node, which may start later.
func NewKubo(o KuboOptions) (*Kubo, error) {
	if o.File == "" {
		return nil, errors.New("the kubo backend needs a file to keep its filters in")
	}
	rpc, err := newKuboRPC(o.API, o.Authorization)
	if err != nil {
		return nil, err
	}
	return &Kubo{rpc: rpc, api: o.API, file: o.File, now: Options{Now: o.Now}.now}, nil
}

// Init brings the node's filters to exactly these bans and those of others.
func (k *Kubo) Init(ctx context.Context, bans []Ban) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := bansInMemory{}
	if err := next.apply(Change{Set: bans}, k.now()); err != nil {
		return err
	}
	if k.ours == nil {
		recorded, err := readMultiaddrs(k.file)
		if err != nil {
			return fmt.Errorf("reading which of the node's filters are ours: %w", err)
		}
		k.ours = map[netip.Prefix]bool{}
		for _, p := range recorded {
			k.ours[p] = true
		}
	}
	return k.bring(ctx, next)
}

// Apply makes one change.
func (k *Kubo) Apply(ctx context.Context, c Change) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bans == nil {
		return errNotStarted
	}
	next := maps.Clone(k.bans)
	if err := next.apply(c, k.now()); err != nil {
		return err
	}
	return k.bring(ctx, next)
}

// bring makes the node's filters those of next. Whatever fails in between, the
// file names every filter of ours the node may have, and bringing again ends
// where this would have.
func (k *Kubo) bring(ctx context.Context, next bansInMemory) error {
	have, err := k.rpc.filters(ctx)
	if err != nil {
		return err
	}
	var add, remove []netip.Prefix
	for p := range next {
		if !have[multiaddr(p)] {
			add = append(add, p)
		}
	}
	for p := range k.ours {
		if _, wanted := next[p]; !wanted {
			remove = append(remove, p)
		}
	}
	refused := max(0, len(k.ours)-len(remove)+len(add)-maxKuboFilters)
	slices.SortFunc(add, netip.Prefix.Compare)
	add = add[:len(add)-min(refused, len(add))]

	if err := k.addFilters(ctx, add); err != nil {
		return err
	}
	if err := k.removeFilters(ctx, remove, have); err != nil {
		return err
	}
	if err := k.disconnect(ctx, missingIn(k.bans, next)); err != nil {
		return err
	}
	k.bans = next
	if refused > 0 {
		return fmt.Errorf("%w: %d bans are left out, the node gets no more than %d filters", ErrFull, refused, maxKuboFilters)
	}
	return nil
}

// missingIn lists what next has and before has not.
func missingIn(before, next bansInMemory) []netip.Prefix {
	var out []netip.Prefix
	for p := range next {
		if _, had := before[p]; !had {
			out = append(out, p)
		}
	}
	return out
}

func (k *Kubo) addFilters(ctx context.Context, add []netip.Prefix) error {
	if len(add) == 0 {
		return nil
	}
	ours := maps.Clone(k.ours)
	for _, p := range add {
		ours[p] = true
	}
	if err := k.record(ours); err != nil {
		return err
	}
	return k.each(ctx, "swarm/filters/add", add)
}

func (k *Kubo) removeFilters(ctx context.Context, remove []netip.Prefix, have map[string]bool) error {
	if len(remove) == 0 {
		return nil
	}
	stand := slices.DeleteFunc(slices.Clone(remove), func(p netip.Prefix) bool { return !have[multiaddr(p)] })
	if err := k.each(ctx, "swarm/filters/rm", stand); err != nil {
		return err
	}
	ours := maps.Clone(k.ours)
	for _, p := range remove {
		delete(ours, p)
	}
	return k.record(ours)
}

func (k *Kubo) record(ours map[netip.Prefix]bool) error {
	if err := k.note(); err != nil {
		return err
	}
	if err := writeMultiaddrs(k.file, slices.Collect(maps.Keys(ours))); err != nil {
		return err
	}
	k.ours = ours
	return nil
}

// note writes down, before the first filter, in which node the filters are.
func (k *Kubo) note() error {
	if k.noted {
		return nil
	}
	err := os.WriteFile(k.file+nodeSuffix, []byte(k.api+"\n"), 0o644)
	if errors.Is(err, os.ErrPermission) {
		err = fmt.Errorf("%w: %w", ErrDenied, err)
	}
	k.noted = err == nil
	return err
}

func (k *Kubo) each(ctx context.Context, command string, prefixes []netip.Prefix) error {
	for chunk := range slices.Chunk(prefixes, kuboArguments) {
		var arguments []string
		for _, p := range chunk {
			arguments = append(arguments, multiaddr(p))
		}
		if err := k.rpc.call(ctx, command, arguments, nil); err != nil {
			return err
		}
	}
	return nil
}

// disconnect closes the connections the node has to the newly banned: filters
// only keep new ones out.
func (k *Kubo) disconnect(ctx context.Context, banned []netip.Prefix) error {
	if len(banned) == 0 {
		return nil
	}
	match, err := newMatcher(banned)
	if err != nil {
		return err
	}
	peers, err := k.rpc.peers(ctx)
	if err != nil {
		return err
	}
	for _, p := range peers {
		if a, ok := hostOf(p.Addr); ok && match.covers(a) {
			if err := k.rpc.disconnect(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// hostOf returns the IP address a connection goes to. A relayed connection
// names the relay, which is not who is banned.
func hostOf(addr string) (netip.Addr, bool) {
	m, err := ma.NewMultiaddr(addr)
	if err != nil {
		return netip.Addr{}, false
	}
	if _, err := m.ValueForProtocol(ma.P_CIRCUIT); err == nil {
		return netip.Addr{}, false
	}
	ip, err := manet.ToIP(m)
	if err != nil {
		return netip.Addr{}, false
	}
	a, ok := netip.AddrFromSlice(ip)
	return a.Unmap(), ok
}

// List returns the bans whose filters the node has.
func (k *Kubo) List(ctx context.Context) ([]Ban, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	have, err := k.rpc.filters(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(k.bans.list(k.now()), func(b Ban) bool { return !have[multiaddr(b.Prefix)] }), nil
}

// Close does nothing: the filters stay.
func (k *Kubo) Close() error { return nil }

// Verify asks the node for its filters and compares all bans, or the sample.
func (k *Kubo) Verify(ctx context.Context, sample []Ban) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bans == nil {
		return errNotStarted
	}
	now := k.now()
	if len(sample) == 0 {
		sample = k.bans.list(now)
	}
	have, err := k.rpc.filters(ctx)
	if err != nil {
		return err
	}
	for _, b := range sample {
		p, err := Clean(b.Prefix)
		if err != nil {
			return err
		}
		ended := !b.Until.IsZero() && !b.Until.After(now)
		if !ended && !have[multiaddr(p)] {
			return fmt.Errorf("%w: the node has no filter %s", ErrGone, multiaddr(p))
		}
	}
	return nil
}

// Watch looks every ten seconds whether the node still has our filters, which
// it may have lost in a restart, and removes those whose bans have ended. A
// node that does not answer is not a disturbance: it lets nobody in.
func (k *Kubo) Watch(ctx context.Context, report func(Disturbance)) error {
	return watch(ctx, pollInterval, nil, report, func(string) error { return k.look(ctx) })
}

// look returns the disturbance it finds, and sees to bans that have ended.
func (k *Kubo) look(ctx context.Context) error {
	if err := k.Verify(ctx, nil); disturbed(err) {
		return err
	}
	k.mu.Lock()
	ended := len(k.bans) > len(k.bans.list(k.now()))
	k.mu.Unlock()
	if ended {
		// An error leaves the filters for the next look.
		_ = k.Apply(ctx, Change{})
	}
	return nil
}

// Flush removes the filters that are ours from the node, without a daemon.
func (k *Kubo) Flush(ctx context.Context) (removed int, err error) {
	recorded, _, err := KuboFilters(k.file)
	if err != nil || recorded == 0 {
		return 0, err // a node without any of ours need not be there
	}
	return recorded, k.Init(ctx, nil)
}

// nodeSuffix is the end of the name of the file that says in which node the filters
// are, by its API.
const nodeSuffix = ".node"

// KuboFilters counts the filters of ours that a node may have, by the file that
// keeps them (KuboOptions.File), and gives the API of that node, empty if it is not
// known; a file that does not exist has none.
func KuboFilters(file string) (n int, api string, err error) {
	recorded, err := readMultiaddrs(file)
	if err != nil {
		return 0, "", err
	}
	noted, err := os.ReadFile(file + nodeSuffix)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, "", err
	}
	return len(recorded), strings.TrimSpace(string(noted)), nil
}
