package agent

import (
	"fmt"
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
type filterNode struct{ filters []string }

func (n *filterNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
