package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/config"
)

// filterNode is what a Kubo node answers about its filters.
type filterNode struct {
	filters       []string
	authorization string // of the last request
}

func (n *filterNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.authorization = r.Header.Get("Authorization")
	args := r.URL.Query()["arg"]
	switch strings.TrimPrefix(r.URL.Path, "/api/v0/swarm/") {
	case "filters/add":
		n.filters = append(n.filters, args...)
	case "filters/rm":
		n.filters = slices.DeleteFunc(n.filters, func(f string) bool { return slices.Contains(args, f) })
	}
	fmt.Fprintf(w, `{"Strings":["%s"],"Peers":[]}`, strings.Join(n.filters, `","`))
}

// A Kubo node keeps its filters for ever, so a flush that forgot them would leave the
// banned out for ever, and so would a door that is named no more.
func TestFlushReachesTheNode(t *testing.T) {
	const theirs = "/ip4/10.0.0.0/ipcidr/8"
	node := &filterNode{filters: []string{theirs}}
	server := httptest.NewServer(node)
	cfg := config.Default()
	cfg.Daemon.State = filepath.Join(t.TempDir(), "state.db")
	cfg.Firewall.Backend, cfg.Firewall.KuboAPI = "none", server.URL
	if removed, err := FlushDoors(t.Context(), cfg); err != nil || len(removed) != 0 {
		t.Errorf("before any ban it removed %q, %v", removed, err)
	}
	k, err := openKubo(cfg)
	if err != nil {
		t.Fatal(err)
	}
	bans := []firewall.Ban{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}, {Prefix: netip.MustParsePrefix("192.0.2.2/32")}}
	if err := k.Init(t.Context(), bans); err != nil || len(node.filters) != 3 {
		t.Fatalf("the node has %q, %v", node.filters, err)
	}

	said := func(cfg *config.Config) string {
		var all []string
		for _, l := range leftBehind(t.Context(), cfg) {
			all = append(all, l.what)
		}
		return strings.Join(all, "\n")
	}
	if got := said(cfg); strings.Contains(got, "Kubo") {
		t.Errorf("of a node that is named it says %q", got)
	}
	without := *cfg
	without.Firewall.KuboAPI = ""
	if got := said(&without); !strings.Contains(got, "named before has 2 filters of ours") {
		t.Errorf("of a node that is named no more it says %q", got)
	}

	removed, err := FlushDoors(t.Context(), cfg)
	if want := []string{"2 filters in the Kubo node at " + server.URL}; err != nil || !slices.Equal(removed, want) {
		t.Errorf("it removed %q, %v; want %q", removed, err, want)
	}
	if !slices.Equal(node.filters, []string{theirs}) {
		t.Errorf("the node has %q, want what was there before", node.filters)
	}
	if got := said(&without); strings.Contains(got, "Kubo") {
		t.Errorf("after the flush it says %q", got)
	}

	if err := k.Init(t.Context(), bans); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if removed, err := FlushDoors(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), server.URL) || len(removed) != 0 {
		t.Errorf("of a node that is away it removed %q, %v", removed, err)
	}
	if _, err := os.Stat(kuboFilters(cfg)); err != nil {
		t.Errorf("which filters are ours is forgotten: %v", err)
	}
}

// A node that kubo_api names no more keeps nobody out, where it can be asked; where
// it can't, it may be the one that is named now, which has moved.
func TestAnotherKuboNodeIsNamed(t *testing.T) {
	const theirs = "/ip4/10.0.0.0/ipcidr/8"
	first, second := &filterNode{filters: []string{theirs}}, &filterNode{filters: []string{theirs}}
	servers := []*httptest.Server{httptest.NewServer(first), httptest.NewServer(second), httptest.NewServer(second)}
	for _, s := range servers {
		defer s.Close()
	}
	cfg := config.Default()
	cfg.Daemon.State = filepath.Join(t.TempDir(), "state.db")
	cfg.Firewall.Backend = "none"
	bans := []firewall.Ban{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}}
	start := func(api string) (told string) {
		t.Helper()
		cfg.Firewall.KuboAPI = api
		var log strings.Builder
		tellOfOldNode(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, nil)))
		k, err := openKubo(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Init(t.Context(), bans); err != nil {
			t.Fatal(err)
		}
		return log.String()
	}
	for range 2 {
		if told := start(servers[0].URL); told != "" || len(first.filters) != 2 {
			t.Fatalf("the first node has %q, told %q", first.filters, told)
		}
	}
	cfg.Firewall.KuboAuthorization = "the second's"
	if told := start(servers[1].URL); first.authorization != "" || second.authorization != "the second's" {
		t.Errorf("the nodes were shown %q and %q", first.authorization, second.authorization)
	} else if !strings.Contains(told, servers[0].URL+" filters=1") || !slices.Equal(first.filters, []string{theirs}) || len(second.filters) != 2 {
		t.Errorf("the nodes have %q and %q, told %q", first.filters, second.filters, told)
	}
	servers[1].Close() // the node has moved
	if told := start(servers[2].URL); !strings.Contains(told, "can't be asked") || !strings.Contains(told, "keeps 1 filters of ours") || len(second.filters) != 2 {
		t.Errorf("the node has %q, told %q", second.filters, told)
	}
	bans = nil
	if told := start(servers[2].URL); !slices.Equal(second.filters, []string{theirs}) {
		t.Errorf("the node has %q, told %q: they were ours", second.filters, told)
	}
	bans = []firewall.Ban{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}}
	start(servers[2].URL)
	cfg.Firewall.KuboAPI = servers[0].URL
	if removed, err := FlushDoors(t.Context(), cfg); err != nil || !slices.Equal(removed, []string{"1 filters in the Kubo node at " + servers[2].URL}) || len(second.filters) != 1 {
		t.Errorf("a flush removed %q, %v; the node of before has %q", removed, err, second.filters)
	}
}

// A daemon that is stopped while it starts has not failed to remove anything.
func TestStoppedWhileFlushingOther(t *testing.T) {
	var said bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	flushOther(ctx, "nftables", slog.New(slog.NewTextHandler(&said, nil)))
	if said.Len() > 0 {
		t.Errorf("it said %s", &said)
	}
}
