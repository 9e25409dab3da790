package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/p2pban/p2pban/sources"
)

// maxDockerConfig bounds what is read of a container's configuration.
const maxDockerConfig = 4 << 20

// dockerConfig is what matters here of a container's config.v2.json and
// hostconfig.json (moby/moby, container.Container and container.HostConfig).
type dockerConfig struct {
	Name    string
	LogPath string
	Config  struct{ Image string }
	// LogConfig stands in hostconfig.json.
	LogConfig struct{ Type string }
}

// docker looks at the containers whose files are under root. Asking the runtime
// would take the right to control it.
func (l *looker) docker(ctx context.Context, root string) {
	dir := filepath.Join(root, "containers")
	l.looked("containers of Docker in " + root)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		l.unseen("containers of Docker", err.Error())
		return
	}
	for i, e := range entries {
		if i == maxContainers {
			l.unseen(dir, fmt.Sprintf("it has more than %d containers", maxContainers))
			return
		}
		var c dockerConfig
		err := readJSON(filepath.Join(dir, e.Name(), "config.v2.json"), &c)
		if err == nil {
			err = readJSON(filepath.Join(dir, e.Name(), "hostconfig.json"), &c)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // being made, or removed
		}
		if err != nil {
			l.unseen("a container of Docker", err.Error())
			continue
		}
		l.container(ctx, filepath.Join(dir, e.Name()), c, root == sources.DockerRoot)
	}
}

func readJSON(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxDockerConfig)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// container looks at one container of Docker, whose directory is dir. A source
// finds it by its name if Docker's files are where it looks for them.
func (l *looker) container(ctx context.Context, dir string, c dockerConfig, usual bool) {
	name := strings.TrimPrefix(c.Name, "/")
	f := Found{Kind: KindContainer, Name: name, ByName: usual, Program: programOf(c.Config.Image, name)}
	switch c.LogConfig.Type {
	case "", "json-file":
	case "journald":
		f.ByName, f.UID = false, ownerOf(dir)
		l.entries(ctx, f, "CONTAINER_NAME="+name, "_UID="+f.UID)
		return
	default:
		if f.Program != "" {
			l.unseen("container "+name, fmt.Sprintf("Docker's log driver %q keeps no file that can be read here; run it with --log-driver json-file or journald", c.LogConfig.Type))
		}
		return
	}
	// The daemon may know its directory by another path than we do.
	file := filepath.Base(dir) + "-json.log"
	if c.LogPath != "" {
		file = filepath.Base(c.LogPath)
	}
	f.Files = []string{literal(filepath.Join(dir, file))}
	if !usual {
		f.Notes = []string{"the path is this container's own: after it is made anew, as an upgrade does, write the configuration again"}
	}
	l.file(ctx, filepath.Join(dir, file), f)
}

// ownerOf is the number of the user who owns the directory of a container, as
// whom Docker runs: root, or for a rootless one its user.
func ownerOf(dir string) string {
	if info, err := os.Stat(filepath.Dir(filepath.Dir(dir))); err == nil {
		return strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Uid), 10)
	}
	return "0"
}

// podFiles are the logs of containers of pods, in the directory of all pods:
// NAMESPACE_POD_UID/CONTAINER/RESTARTS.log (Kubernetes, kuberuntime).
const podFiles = "*_*_*/*/*.log"

// pods looks at the pods whose logs are under root.
func (l *looker) pods(ctx context.Context, root string) {
	l.looked("containers of pods in " + root)
	if _, err := os.ReadDir(root); errors.Is(err, fs.ErrPermission) {
		l.unseen("containers of pods", err.Error())
		return
	}
	paths, _ := filepath.Glob(filepath.Join(literal(root), podFiles)) // the pattern is well formed
	for i, path := range paths {
		if i == maxContainers {
			l.unseen(root, fmt.Sprintf("it has logs of more than %d containers", maxContainers))
			return
		}
		container := filepath.Dir(path)
		namespace, pod, _ := strings.Cut(filepath.Base(filepath.Dir(container)), "_")
		pod, _, _ = strings.Cut(pod, "_")
		name := filepath.Base(container)
		// A pod that is made anew has another name and UID, in the same place.
		glob := filepath.Join(literal(root), literal(namespace)+"_*_*", literal(name), "*.log")
		l.file(ctx, path, Found{Kind: KindPod, Name: namespace + "/" + pod + "/" + name,
			Files: []string{glob}, Program: programOf(name, pod)})
	}
}
