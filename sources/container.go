package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ContainerOptions say which containers' logs a source follows, and from where.
type ContainerOptions struct {
	// Name is the name of the source, for Batch.Source.
	Name string
	// Containers are names of containers, or patterns as in path.Match: Docker's
	// name (kubo, or ipfs-kubo-1 of a compose project), or in Kubernetes the
	// container's name, or POD/CONTAINER.
	Containers []string
	// Labels are KEY=VALUE or KEY, all of which a container must have. Docker
	// keeps them beside the logs. Kubernetes does not: of a pod's container only
	// the PodLabels are known, for they stand in the path.
	Labels []string
	// DockerRoot is Docker's data directory, PodLogs where the kubelet keeps the
	// logs of pods; empty for the usual DockerRoot and PodLogs.
	DockerRoot, PodLogs string
	// Cursor, FromStart and Log are as in FileOptions.
	Cursor    string
	FromStart bool
	Log       *slog.Logger
}

// DockerRoot and PodLogs are where Docker and the kubelet keep their files
// unless told otherwise (dockerd(8) --data-root; Kubernetes, kuberuntime
// podLogsRootDirectory).
const (
	DockerRoot = "/var/lib/docker"
	PodLogs    = "/var/log/pods"
)

// PodLabels are the labels that the kubelet gives every container and whose
// values are in the path of its log too (Kubernetes, kubelet/types/labels.go;
// kuberuntime, BuildPodLogsDirectory: NAMESPACE_POD_UID/CONTAINER/RESTARTS.log).
var PodLabels = []string{
	"io.kubernetes.pod.namespace", "io.kubernetes.pod.name", "io.kubernetes.pod.uid", "io.kubernetes.container.name",
}

// NewContainer returns a source that follows the logs of containers, wherever
// they are found by the files of their runtimes alone: those that run now and
// those that are made later, under the same name or not.
//
// Lines are those the program in the container wrote, with the time at which the
// runtime read them. A line that the runtime split (at 16 KiB) is Cut in all its
// parts.
func NewContainer(o ContainerOptions) (*File, error) {
	found, err := o.finder()
	if err != nil {
		return nil, err
	}
	f, err := newFile(FileOptions{Name: o.Name, Cursor: o.Cursor, FromStart: o.FromStart, Log: o.Log}, "container", []finder{found})
	if err != nil {
		return nil, err
	}
	f.unwrap, f.deleted = true, removedTime
	return f, nil
}

// FindContainers gives the logs of the containers that the options name now.
// The error is why there may be more.
func FindContainers(o ContainerOptions) ([]string, error) {
	found, err := o.finder()
	if err != nil {
		return nil, err
	}
	return found.find()
}

// finder judges the options.
func (o ContainerOptions) finder() (*containers, error) {
	if len(o.Containers) == 0 && len(o.Labels) == 0 {
		return nil, errors.New("no container named")
	}
	if o.DockerRoot == "" {
		o.DockerRoot = DockerRoot
	}
	if o.PodLogs == "" {
		o.PodLogs = PodLogs
	}
	found := &containers{docker: &docker{root: o.DockerRoot, names: o.Containers, labels: o.Labels}, podLabels: o.Labels}
	names := o.Containers
	if len(names) == 0 {
		names = []string{"*"}
	}
	unknown := slices.IndexFunc(o.Labels, func(label string) bool {
		key, _, _ := strings.Cut(label, "=")
		return !slices.Contains(PodLabels, key)
	})
	for _, name := range names {
		if _, err := path.Match(name, ""); err != nil {
			return nil, fmt.Errorf("container %q: %w", name, err)
		}
		pod, container, ofPod := strings.Cut(name, "/")
		if !ofPod {
			pod, container = "*", name
		}
		switch {
		case unknown < 0: // the directories are NAMESPACE_POD_UID/CONTAINER
			found.pods = append(found.pods, glob(filepath.Join(o.PodLogs, "*_"+pod+"_*", container, "*.log")))
		case ofPod || onlyPods(o):
			return nil, fmt.Errorf("label %q: Kubernetes keeps no labels beside a pod's log, so it would match nothing; known are only %s: name the container, or POD/CONTAINER",
				o.Labels[unknown], strings.Join(PodLabels, ", "))
		}
	}
	return found, nil
}

// onlyPods says whether this machine has logs of pods, and no Docker.
func onlyPods(o ContainerOptions) bool {
	_, noDocker := os.Stat(filepath.Join(o.DockerRoot, "containers"))
	_, noPods := os.Stat(o.PodLogs)
	return errors.Is(noDocker, fs.ErrNotExist) && noPods == nil
}

// containers finds the logs of containers of both kinds of runtimes.
type containers struct {
	docker *docker
	pods   []glob
	// podLabels are what a pod's container must have besides, all PodLabels.
	podLabels []string
}

func (c *containers) String() string { return c.docker.String() }

func (c *containers) dirs() []string {
	dirs := c.docker.dirs()
	for _, g := range c.pods {
		dirs = append(dirs, g.dirs()...)
	}
	return dirs
}

func (c *containers) find() ([]string, error) {
	paths, err := c.docker.find()
	for _, g := range c.pods {
		more, podErr := g.find()
		for _, p := range more {
			if c.wantsPod(p) {
				paths = append(paths, p)
			}
		}
		err = errors.Join(err, podErr)
	}
	return paths, err
}

// wantsPod says whether the labels in the path of a container's log are those
// asked for.
func (c *containers) wantsPod(log string) bool {
	container := filepath.Dir(log)
	parts := strings.SplitN(filepath.Base(filepath.Dir(container)), "_", 3)
	if len(parts) != 3 {
		return false
	}
	has := append(parts, filepath.Base(container)) // in the order of PodLabels
	for _, label := range c.podLabels {
		key, value, exact := strings.Cut(label, "=")
		if exact && has[slices.Index(PodLabels, key)] != value {
			return false
		}
	}
	return true
}
