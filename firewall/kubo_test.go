package firewall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeKubo answers as the node's RPC API is documented (https://docs.ipfs.tech/reference/kubo/rpc/):
// POST only, arguments named arg, answers and errors in JSON. Filters are a
// set, and adding one of a host does not close its connections.
type fakeKubo struct {
	t      testing.TB
	server *httptest.Server

	mu            sync.Mutex // guards the fields below
	filters       map[string]bool
	peers         map[string]string // address → peer
	authorization string
	down          bool
	failAfter     int // calls that change something until one fails; 0: never
}

func newFakeKubo(t testing.TB) *fakeKubo {
	f := &fakeKubo{t: t, filters: map[string]bool{}, peers: map[string]string{}}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

func (f *fakeKubo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	command := strings.TrimPrefix(r.URL.Path, "/api/v0/")
	arguments := r.URL.Query()["arg"]
	if f.down {
		panic(http.ErrAbortHandler)
	}
	if status, message := f.refuse(r, arguments); status != 0 {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]any{"Message": message, "Code": 0, "Type": "error"})
		return
	}
	switch command {
	case "swarm/filters", "swarm/filters/add", "swarm/filters/rm":
		json.NewEncoder(w).Encode(map[string]any{"Strings": f.change(command, arguments)})
	case "swarm/peers":
		type peer struct{ Addr, Peer string }
		var list []peer
		for a, p := range f.peers {
			list = append(list, peer{a, p})
		}
		json.NewEncoder(w).Encode(map[string]any{"Peers": list})
	case "swarm/disconnect":
		addr, _, _ := strings.Cut(arguments[0], "/p2p/")
		delete(f.peers, addr)
		json.NewEncoder(w).Encode(map[string]any{"Strings": arguments})
	default:
		http.NotFound(w, r)
	}
}

// refuse returns a status other than 0 when the request is not to be served.
func (f *fakeKubo) refuse(r *http.Request, arguments []string) (status int, message string) {
	switch {
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed, "only POST"
	case f.authorization != "" && r.Header.Get("Authorization") != f.authorization:
		return http.StatusForbidden, "Kubo RPC Access Denied: Please provide a valid authorization token as defined in the API.Authorizations configuration."
	case len(arguments) > 0 && f.failAfter == 1:
		return http.StatusInternalServerError, "this command must be run in online mode. Try running 'ipfs daemon' first"
	case len(arguments) > 0 && f.failAfter > 1:
		f.failAfter--
	}
	if strings.HasPrefix(r.URL.Path, "/api/v0/swarm/filters/") {
		for _, a := range arguments {
			if _, err := parseMultiaddr(a); err != nil {
				return http.StatusInternalServerError, "invalid ip mask"
			}
		}
	}
	return 0, ""
}

func (f *fakeKubo) change(command string, arguments []string) []string {
	answer := []string{}
	for _, a := range arguments {
		f.filters[a] = true
		if command == "swarm/filters/rm" {
			delete(f.filters, a)
		}
		answer = append(answer, a)
	}
	if command == "swarm/filters" {
		answer = slices.AppendSeq(answer, maps.Keys(f.filters))
	}
	return answer
}

func (f *fakeKubo) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeKubo) standing() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for s := range f.filters {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func newKubo(t testing.TB, f *fakeKubo, file string) *Kubo {
	t.Helper()
	k, err := NewKubo(KuboOptions{API: f.server.URL, File: file})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKuboLeavesOthersFiltersAlone(t *testing.T) {
	f := newFakeKubo(t)
	theirs := []string{"/ip4/10.0.0.0/ipcidr/8", "/ip4/192.0.2.1/ipcidr/32", "/ip6/fc00::/ipcidr/7"}
	for _, s := range theirs {
		f.filters[s] = true
	}
	file := filepath.Join(t.TempDir(), "filters")
	k := newKubo(t, f, file)
	bans := mixed() // has 192.0.2.1 as well
	mustInit(t, k, bans...)
	stands(t, k, bans...)
	if got := len(f.standing()); got != len(bans)+len(theirs)-1 {
		t.Errorf("the node has %d filters, want ours and theirs", got)
	}
	var lift []netip.Prefix
	for _, b := range bans {
		lift = append(lift, b.Prefix)
	}
	mustApply(t, k, Change{Lift: lift})
	if got := f.standing(); !slices.Equal(got, theirs) {
		t.Errorf("after lifting all, the node has %q, want %q", got, theirs)
	}
	mustInit(t, k, bans...)
	if n, err := newKubo(t, f, file).Flush(context.Background()); n != len(bans)-1 || err != nil {
		t.Errorf("Flush removed %d, %v; want %d", n, err, len(bans)-1)
	}
	if got := f.standing(); !slices.Equal(got, theirs) {
		t.Errorf("after Flush, the node has %q, want %q", got, theirs)
	}
}

func TestKuboBansThatEndedWhileWeWereAway(t *testing.T) {
	f := newFakeKubo(t)
	file := filepath.Join(t.TempDir(), "filters")
	mustInit(t, newKubo(t, f, file), mixed()...)
	k := newKubo(t, f, file) // a new run of the daemon
	mustInit(t, k, mixed()[:2]...)
	if got, want := f.standing(), []string{"/ip4/192.0.2.1/ipcidr/32", "/ip4/192.0.2.2/ipcidr/32"}; !slices.Equal(got, want) {
		t.Errorf("the node has %q, want %q", got, want)
	}
}

func TestKuboClosesConnectionsOfTheBanned(t *testing.T) {
	f := newFakeKubo(t)
	f.peers = map[string]string{
		"/ip4/192.0.2.66/tcp/4001":                               "12D3KooWAttackerTCP",
		"/ip4/192.0.2.66/udp/4001/quic-v1":                       "12D3KooWAttackerQUIC",
		"/ip4/192.0.2.67/tcp/4001":                               "12D3KooWNeighbour",
		"/ip6/2001:db8:66::9/tcp/4001":                           "12D3KooWSibling",
		"/ip4/192.0.2.66/tcp/4001/p2p/12D3KooWRelay/p2p-circuit": "12D3KooWBehindARelay",
		"/dns4/example.org/tcp/4001":                             "12D3KooWByName",
	}
	k := newKubo(t, f, filepath.Join(t.TempDir(), "filters"))
	mustInit(t, k)
	mustApply(t, k, Change{Set: []Ban{{Prefix: pfx("192.0.2.66/32")}, {Prefix: pfx("2001:db8:66::/64")}}})
	var left []string
	for _, p := range f.peers {
		left = append(left, strings.TrimPrefix(p, "12D3KooW"))
	}
	slices.Sort(left)
	if want := []string{"BehindARelay", "ByName", "Neighbour"}; !slices.Equal(left, want) {
		t.Errorf("connected are still %q, want %q", left, want)
	}
}

func TestKuboNodeThatIsAway(t *testing.T) {
	ctx := context.Background()
	f := newFakeKubo(t)
	k := newKubo(t, f, filepath.Join(t.TempDir(), "filters"))
	f.set(func() { f.down = true })
	if err := k.Init(ctx, mixed()); !errors.Is(err, ErrBusy) {
		t.Errorf("Init with the node down: %v, want ErrBusy", err)
	} else if !strings.Contains(Hint(err), "kubo_api") || strings.Contains(err.Error(), "firewall is busy") {
		t.Errorf("of the node that is down an operator hears %v (%s)", err, Hint(err))
	}
	f.set(func() { f.down = false })
	mustInit(t, k, mixed()...)
	f.set(func() { f.down = true })
	extra := Ban{Prefix: pfx("203.0.113.1/32"), Until: in(time.Hour)}
	if err := k.Apply(ctx, Change{Set: []Ban{extra}}); !errors.Is(err, ErrBusy) {
		t.Errorf("Apply with the node down: %v, want ErrBusy", err)
	}
	if err := k.Verify(ctx, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("Verify with the node down: %v, want ErrBusy", err)
	}
	// It comes back with the configuration of a fresh container.
	f.set(func() { f.down = false; f.filters = map[string]bool{} })
	if err := k.Verify(ctx, nil); !errors.Is(err, ErrGone) {
		t.Errorf("Verify with the filters lost: %v, want ErrGone", err)
	}
	mustApply(t, k, Change{Set: []Ban{extra}}) // the same change again mends it all
	stands(t, k, append(mixed(), extra)...)
}

func TestKuboFailsHalfWay(t *testing.T) {
	ctx := context.Background()
	f := newFakeKubo(t)
	file := filepath.Join(t.TempDir(), "filters")
	k := newKubo(t, f, file)
	bans := until(hosts(3*kuboArguments), in(time.Hour))
	f.set(func() { f.failAfter = 2 }) // the second call with arguments fails
	if err := k.Init(ctx, bans); !errors.Is(err, ErrBusy) {
		t.Fatalf("Init: %v, want ErrBusy", err)
	}
	if got := len(f.standing()); got != kuboArguments {
		t.Fatalf("%d filters stand, want %d", got, kuboArguments)
	}
	f.set(func() { f.failAfter = 0 })
	// A new run, which knows only the file, takes out all that is left.
	k = newKubo(t, f, file)
	mustInit(t, k, bans[0])
	if got := f.standing(); len(got) != 1 {
		t.Errorf("%d filters stand, want 1", len(got))
	}
}

func TestKuboIsBounded(t *testing.T) {
	f := newFakeKubo(t)
	k := newKubo(t, f, filepath.Join(t.TempDir(), "filters"))
	err := k.Init(context.Background(), until(hosts(maxKuboFilters+5), in(time.Hour)))
	if !errors.Is(err, ErrFull) || !strings.Contains(fmt.Sprint(err), "5 bans are left out") {
		t.Errorf("Init of %d bans: %v, want ErrFull", maxKuboFilters+5, err)
	}
	if got := len(f.standing()); got != maxKuboFilters {
		t.Errorf("%d filters stand, want %d", got, maxKuboFilters)
	}
	mustApply(t, k, Change{Lift: hosts(5)})
	if got := len(f.standing()); got != maxKuboFilters {
		t.Errorf("after five were lifted %d filters stand, want %d", got, maxKuboFilters)
	}
}

func TestKuboWatch(t *testing.T) {
	ctx := context.Background()
	f := newFakeKubo(t)
	now := time.Now()
	k, err := NewKubo(KuboOptions{API: f.server.URL, File: filepath.Join(t.TempDir(), "filters"), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	mustInit(t, k, Ban{Prefix: pfx("192.0.2.1/32")}, Ban{Prefix: pfx("192.0.2.2/32"), Until: now.Add(time.Minute)})
	if err := k.look(ctx); err != nil || len(f.standing()) != 2 {
		t.Error("all is well, and something was told or changed:", err)
	}
	now = now.Add(2 * time.Minute)
	if err := k.look(ctx); err != nil || !slices.Equal(f.standing(), []string{"/ip4/192.0.2.1/ipcidr/32"}) {
		t.Errorf("a ban has ended, and the node has %q (%v)", f.standing(), err)
	}
	f.set(func() { clear(f.filters) })
	if err := k.look(ctx); !errors.Is(err, ErrGone) {
		t.Errorf("filters are lost, told %v; want ErrGone", err)
	}
	f.set(func() { f.down = true })
	if err := k.look(ctx); err != nil {
		t.Error("a node that is down is told as a disturbance:", err)
	}
}

func TestKuboAuthorization(t *testing.T) {
	f := newFakeKubo(t)
	f.authorization = "Bearer token"
	file := filepath.Join(t.TempDir(), "filters")
	err := newKubo(t, f, file).Init(context.Background(), nil)
	if !errors.Is(err, ErrDenied) || !strings.Contains(fmt.Sprint(err), "API.Authorizations") {
		t.Errorf("without a token: %v, want ErrDenied in the node's words", err)
	}
	k, err := NewKubo(KuboOptions{API: f.server.URL, File: file, Authorization: f.authorization})
	if err != nil {
		t.Fatal(err)
	}
	mustInit(t, k, mixed()...)
}

func TestKuboAddresses(t *testing.T) {
	f := newFakeKubo(t)
	host, port, _ := net.SplitHostPort(f.server.Listener.Addr().String())
	socket := filepath.Join(t.TempDir(), "api")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(l, f)
	defer l.Close()
	for i, api := range []string{"/ip4/" + host + "/tcp/" + port, "/unix" + socket, f.server.URL, f.server.URL + "/"} {
		file := filepath.Join(t.TempDir(), "filters")
		k, err := NewKubo(KuboOptions{API: api, File: file})
		if err != nil {
			t.Errorf("%s: %v", api, err)
			continue
		}
		mustInit(t, k, mixed()[i])
		stands(t, k, mixed()[i])
		mustInit(t, k)
	}
	for _, api := range []string{"", "127.0.0.1:5001", "/ip4/127.0.0.1", "ftp://x", "/p2p/12D3KooW"} {
		if _, err := NewKubo(KuboOptions{API: api, File: "f"}); err == nil {
			t.Errorf("%q is taken for an API address", api)
		}
	}
	if _, err := NewKubo(KuboOptions{API: f.server.URL}); err == nil {
		t.Error("no file, and no error")
	}
}

func TestKuboWrongPort(t *testing.T) {
	web := httptest.NewServer(http.FileServer(http.Dir(t.TempDir()))) // such as the gateway
	defer web.Close()
	k, err := NewKubo(KuboOptions{API: web.URL, File: filepath.Join(t.TempDir(), "filters")})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Init(context.Background(), nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a web server instead of the RPC API: %v, want ErrUnsupported", err)
	}
}
