package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/sources"
)

// TestCheckReadsAContainersWholeLog holds that a check reads on behind the few
// buffers that a source fills before it waits to have them back: the lines that
// say what is wrong with a log now are its last ones.
func TestCheckReadsAContainersWholeLog(t *testing.T) {
	const (
		line  = "2026-11-20T11:20:00Z stderr F time=2026-11-20T11:20:00.000Z level=INFO source=swarm/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer=12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4 addr=/ip4/203.0.113.66/tcp/44788 sample_rate=100 connection_status=established dir=inbound\n"
		lines = 20_000 // 5 MB
	)
	pods := t.TempDir()
	dir := filepath.Join(pods, "default_node-0_5b1f", "kubo")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "0.log"), []byte(strings.Repeat(line, lines)), 0o644); err != nil {
		t.Fatal(err)
	}
	src, err := sources.NewContainer(sources.ContainerOptions{
		Name: "node", Containers: []string{"kubo"}, DockerRoot: t.TempDir(), PodLogs: pods, FromStart: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewParser(config.Default(), "")
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{parser: p}
	if err := readQuiet(t.Context(), src, r); err != nil {
		t.Fatal(err)
	}
	if r.tally.Lines != lines || r.tally.Events != lines {
		t.Errorf("%d lines were read, %d of them events; the log has %d, all of them events", r.tally.Lines, r.tally.Events, lines)
	}
}

// TestCheckSaysThatThereIsNoContainer: a name that no container has is not a quiet node,
// and the daemon, which waits for it, sends its operator to the check.
func TestCheckSaysThatThereIsNoContainer(t *testing.T) {
	for _, spec := range []config.Source{
		{Name: "node", Containers: []string{"no-such-container"}},
		{Name: "node", Labels: []string{"no.such.label=kubo"}},
	} {
		c := &checker{cfg: config.Default()}
		c.source(t.Context(), spec)
		want := strings.Join(append(spec.Containers, spec.Labels...), "")
		if len(c.findings) != 1 || !strings.Contains(c.findings[0].What, want) || !strings.Contains(c.findings[0].Fix, "docker ps") {
			t.Errorf("of %s the check says %+v", want, c.findings)
		}
	}
}

// TestCheckWarnsOfPodsOfAnyNamespace: a container's name is its owner's to choose, and in
// a cluster that is not one owner alone.
func TestCheckWarnsOfPodsOfAnyNamespace(t *testing.T) {
	namespaces := namespacesOf("/var/log/pods", []string{
		"/var/lib/docker/containers/4f6e/4f6e-json.log",
		"/var/log/pods/storage_node-0_5b1f/kubo/0.log", "/var/log/pods/guests_mine_77aa/kubo/3.log", "/var/log/pods/guests_other_77ab/kubo/0.log",
	})
	if want := []string{"guests", "storage"}; !slices.Equal(namespaces, want) {
		t.Fatalf("the namespaces are %q, want %q", namespaces, want)
	}
	for _, test := range []struct {
		labels, namespaces []string
		warned             bool
	}{
		{nil, namespaces, true},
		{nil, []string{"storage"}, true}, // another may come
		{[]string{"io.kubernetes.pod.name=node-0", "io.kubernetes.pod.namespace"}, namespaces, true},
		{[]string{"io.kubernetes.pod.namespace=storage"}, []string{"storage"}, false},
		{[]string{"io.kubernetes.pod.uid=5b1f"}, []string{"storage"}, false},
		{nil, nil, false}, // Docker's alone
	} {
		proposed := "NAMESPACE" // not a stranger's for the node's
		if len(test.namespaces) == 1 {
			proposed = test.namespaces[0]
		}
		c := &checker{cfg: config.Default()}
		c.anyNamespace("source node", config.Source{Name: "node", Containers: []string{"kubo"}, Labels: test.labels}, test.namespaces)
		if warned := len(c.findings) == 1; warned != test.warned {
			t.Errorf("labels %q, pods of %q: the check says %+v", test.labels, test.namespaces, c.findings)
		} else if warned && !strings.Contains(c.findings[0].Fix, `"io.kubernetes.pod.namespace=`+proposed+`"`) {
			t.Errorf("what to do is %q", c.findings[0].Fix)
		}
	}
}
