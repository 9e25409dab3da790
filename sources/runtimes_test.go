package sources

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testdata has what real runtimes kept of a container; testdata/containers/README.md
// says what the container had printed.
const testdata = "../testdata/"

// TestRealRuntimes follows the logs that Docker and containerd wrote, found by
// the files that are theirs: the node's seven lines come whole and in order, and
// no piece of a split line passes for a line.
func TestRealRuntimes(t *testing.T) {
	node, err := os.ReadFile(testdata + "captures/go-libp2p/v0.51.0-nocolor.log")
	must(t, err)
	want := strings.SplitAfterN(string(node), "\n", 8)[:7]
	docker, pods := testdata+"containers/docker-20.10", testdata+"containers/containerd-1.6"
	for name, o := range map[string]ContainerOptions{
		"docker by name":  {Containers: []string{"ipfs-kubo-1"}, DockerRoot: docker},
		"docker by glob":  {Containers: []string{"ipfs-*"}, DockerRoot: docker},
		"docker by label": {Labels: []string{"com.docker.compose.service=kubo"}, DockerRoot: docker},
		"pod by name":     {Containers: []string{"kubo"}, PodLogs: pods},
		"pod and name":    {Containers: []string{"kubo-0/kubo"}, PodLogs: pods},
		"pod by label":    {Labels: []string{"io.kubernetes.pod.namespace=default"}, PodLogs: pods},
	} {
		t.Run(name, func(t *testing.T) {
			nothing := filepath.Join(t.TempDir(), "none")
			if o.DockerRoot == "" {
				o.DockerRoot = nothing
			} else {
				o.PodLogs = nothing
			}
			o.FromStart = true
			f := followContainer(t, o)
			const printed, pieces = 7, 8 // the last piece: "unfinished"
			for len(f.lines) < printed+pieces {
				f.next()
			}
			var whole []string
			for _, l := range f.lines {
				if !l.Cut {
					whole = append(whole, l.Text+"\n")
				}
				if l.Time.IsZero() {
					t.Errorf("%.60q has no time", l.Text)
				}
			}
			if got := strings.Join(whole, ""); got != strings.Join(want, "") {
				t.Errorf("whole lines:\n%s\nwant\n%s", got, strings.Join(want, ""))
			}
		})
	}
	if paths, err := FindContainers(ContainerOptions{Containers: []string{"kubo"}, DockerRoot: docker, PodLogs: t.TempDir()}); err != nil || len(paths) > 0 {
		t.Errorf("another name finds %q, %v", paths, err)
	}
}
