package sources

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// docker finds the logs of Docker containers by the containers' names and labels,
// from the files of the daemon alone: asking the daemon would take the right to
// control it.
type docker struct {
	// root is Docker's data directory.
	root string
	// names are patterns as in path.Match, one of which must match; none: any.
	names []string
	// labels are KEY=VALUE or KEY, all of which a container must have.
	labels []string
	// seen keeps what the files said, for as long as they don't change.
	seen map[string]dockerContainer
}

// dockerContainer is what we need of a container's config.v2.json.
type dockerContainer struct {
	changed time.Time
	Name    string
	LogPath string
	Config  struct{ Labels map[string]string }
	driver  string
}

// maxDockerConfig bounds a container's configuration file. Usual ones have a few
// kilobytes; labels and environment make them grow.
const maxDockerConfig = 4 << 20

func (d *docker) String() string {
	return joinNames(append(append([]string{}, d.names...), d.labels...))
}

func (d *docker) dirs() []string {
	containers := filepath.Join(d.root, "containers")
	dirs, _ := filepath.Glob(filepath.Join(containers, "*")) // the pattern is well formed
	return append(dirs, containers)
}

func (d *docker) find() ([]string, error) {
	containers := filepath.Join(d.root, "containers")
	entries, err := os.ReadDir(containers)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, fs.ErrPermission) { // Docker sets the rights anew at each start
		return nil, fmt.Errorf("%w: only root may look into Docker's files: run as root, for which the service has the example root.conf, or let the container log to the journal (log driver journald)", err)
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	var trouble error
	seen := map[string]dockerContainer{}
	for _, e := range entries {
		dir := filepath.Join(containers, e.Name())
		c, err := d.read(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // being made, or removed
		}
		if err != nil {
			trouble = err
			continue
		}
		seen[dir] = c
		if !d.wants(c) {
			continue
		}
		log, err := c.log(dir)
		if err != nil {
			trouble = err
			continue
		}
		paths = append(paths, log)
	}
	d.seen = seen
	return paths, trouble
}

// read reads the configuration of the container whose directory is dir.
func (d *docker) read(dir string) (dockerContainer, error) {
	file := filepath.Join(dir, "config.v2.json")
	info, err := os.Stat(file)
	if err != nil {
		return dockerContainer{}, explainOpen(file, err)
	}
	if c, ok := d.seen[dir]; ok && c.changed.Equal(info.ModTime()) {
		return c, nil
	}
	var c dockerContainer
	if err := readJSON(file, &c); err != nil {
		return c, err
	}
	var host struct{ LogConfig struct{ Type string } }
	if err := readJSON(filepath.Join(dir, "hostconfig.json"), &host); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	c.driver = host.LogConfig.Type
	c.changed = info.ModTime()
	return c, nil
}

func readJSON(file string, into any) error {
	f, err := os.Open(file)
	if err != nil {
		return explainOpen(file, err)
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxDockerConfig)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (d *docker) wants(c dockerContainer) bool {
	name := strings.TrimPrefix(c.Name, "/")
	named := len(d.names) == 0
	for _, pattern := range d.names {
		ok, _ := path.Match(pattern, name) // NewContainer has checked the pattern
		named = named || ok
	}
	if !named {
		return false
	}
	for _, label := range d.labels {
		key, value, exact := strings.Cut(label, "=")
		got, ok := c.Config.Labels[key]
		if !ok || exact && got != value {
			return false
		}
	}
	return true
}

var errLogDriver = errors.New("wrong log driver")

// log returns where the container logs to. The daemon may see its data under
// another path than we do.
func (c dockerContainer) log(dir string) (string, error) {
	name := strings.TrimPrefix(c.Name, "/")
	switch c.driver {
	case "json-file", "":
		if c.LogPath != "" {
			return filepath.Join(dir, filepath.Base(c.LogPath)), nil
		}
		return filepath.Join(dir, filepath.Base(dir)+"-json.log"), nil
	case "journald":
		return "", fmt.Errorf("%w: container %[2]s logs to the journal: follow it there, with match = [\"CONTAINER_NAME=%[2]s\", \"_UID=0\"] (the user that Docker runs as)", errLogDriver, name)
	}
	return "", fmt.Errorf("%w: container %s uses %q, whose files can't be read here: set log-driver to json-file or journald", errLogDriver, name, c.driver)
}
