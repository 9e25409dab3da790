package agent

import (
	"context"

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
	c.serviceReads(ctx, about, spec, logs)
	return true
}
