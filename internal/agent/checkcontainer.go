package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/sources"
)

// containers reads what their runtimes keep of the containers; false when it can't.
func (c *checker) containers(ctx context.Context, about string, spec config.Source, r *reader) bool {
	src, err := sources.NewContainer(sources.ContainerOptions{Name: spec.Name, Containers: spec.Containers, Labels: spec.Labels, FromStart: true})
	if err == nil {
		err = readQuiet(ctx, src, r)
	}
	if err != nil {
		c.add(Trouble, about, err.Error(), "")
		return false
	}
	st := src.Stats()
	told := append(st.Problems, st.Losses...)
	for _, p := range told {
		c.add(Trouble, about, p, "")
	}
	logs := containerLogs(spec)
	if len(logs) == 0 && len(told) == 0 {
		c.add(Warning, about, "no log of "+src.String()+" yet, in "+sources.DockerRoot+" or "+sources.PodLogs,
			"it is waited for; `docker ps --all` shows how containers are called. A log that is kept elsewhere (by Podman, or below another data-root) is named with file")
	}
	c.anyNamespace(about, spec, namespacesOf(sources.PodLogs, logs))
	c.serviceReads(ctx, about, spec, logs)
	return true
}

// anyNamespace warns of a source that reads pods of whatever namespace has one of the
// name: those who may make pods in one of a cluster's namespaces are strangers to the
// others.
func (c *checker) anyNamespace(about string, spec config.Source, namespaces []string) {
	if len(namespaces) == 0 || slices.ContainsFunc(spec.Labels, saysWhosePod) {
		return
	}
	node := "NAMESPACE" // which of several is the node's only its operator knows
	if len(namespaces) == 1 {
		node = namespaces[0]
	}
	c.add(Warning, about, "whoever may make pods in any namespace can call a container so, and have anybody banned by what it logs; now they are of "+strings.Join(namespaces, ", "),
		fmt.Sprintf("say in which namespace the node runs: label = %q", podNamespace+"="+node))
}

// podNamespace is the first of sources.PodLabels.
const podNamespace = "io.kubernetes.pod.namespace"

// saysWhosePod tells whether a label is one that a pod of another namespace can't have.
func saysWhosePod(label string) bool {
	key, _, exact := strings.Cut(label, "=")
	return exact && (key == podNamespace || key == "io.kubernetes.pod.uid")
}

// namespacesOf gives the namespaces of those of the logs that the kubelet keeps below
// root, as NAMESPACE_POD_UID/CONTAINER/RESTARTS.log.
func namespacesOf(root string, logs []string) (namespaces []string) {
	for _, log := range logs {
		if pod, ok := strings.CutPrefix(log, root+"/"); ok {
			namespace, _, _ := strings.Cut(pod, "_")
			namespaces = append(namespaces, namespace)
		}
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}
