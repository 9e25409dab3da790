package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/sources"
)

// service is the user whom systemd runs the daemon as. A check by root reads what
// that user may not, and would promise what the service then can't do.
type service struct {
	user       string
	credential *syscall.Credential
}

// serviceUnit is the unit that the packages bring.
const serviceUnit = "p2pban.service"

// findService asks systemd. It gives nil where there is no such service, where it
// may read everything, and where the check is not root's and sees with its own eyes.
func findService(ctx context.Context, cfg *config.Config) *service {
	if os.Geteuid() != 0 || cfg.Path != config.DefaultPath {
		return nil
	}
	shown, err := exec.CommandContext(ctx, "systemctl", "show", "--property=User,SupplementaryGroups,AmbientCapabilities", serviceUnit).Output()
	if err != nil {
		return nil
	}
	return parseService(string(shown))
}

// parseService reads what `systemctl show` says of the unit.
func parseService(shown string) *service {
	properties := map[string]string{}
	for line := range strings.Lines(shown) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		properties[key] = value
	}
	if strings.Contains(properties["AmbientCapabilities"], "cap_dac_read_search") {
		return nil
	}
	u, err := user.Lookup(properties["User"]) // none is root, and so is ""
	if err != nil || u.Uid == "0" {
		return nil
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil
	}
	for _, name := range strings.Fields(properties["SupplementaryGroups"]) {
		if g, err := user.LookupGroup(name); err == nil {
			groups = append(groups, g.Gid)
		}
	}
	c := &syscall.Credential{Uid: number(u.Uid), Gid: number(u.Gid)}
	for _, g := range groups {
		c.Groups = append(c.Groups, number(g))
	}
	return &service{u.Username, c}
}

// number reads an id of /etc/passwd or /etc/group; what is no number becomes the id
// of nobody.
func number(id string) uint32 {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return 65534
	}
	return uint32(n)
}

// reads has test(1) try it as that user, by every right there is: access lists too.
func (s *service) reads(ctx context.Context, path string) bool {
	cmd := exec.CommandContext(ctx, "test", "-r", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	var no *exec.ExitError
	return !errors.As(cmd.Run(), &no) // whoever can't try can't say no
}

// serviceReads says which of a source's files the service may not read; the first
// of them is enough.
func (c *checker) serviceReads(ctx context.Context, about string, spec config.Source, paths []string) {
	if c.service == nil {
		return
	}
	at := slices.IndexFunc(paths, func(p string) bool { return !c.service.reads(ctx, p) })
	if at < 0 {
		return
	}
	fix := fmt.Sprintf("`usermod -aG GROUP %s` with the group that owns it, or `setfacl -m u:%[1]s:r FILE` and x on its directories; or run the service as root, by the example /usr/share/doc/p2pban/examples/root.conf", c.service.user)
	if len(spec.Files) == 0 {
		fix = "run the service as root, by the example /usr/share/doc/p2pban/examples/root.conf, or let the container log to the journal (log driver journald)"
	}
	c.add(Trouble, about, fmt.Sprintf("this check reads it as root, but the service runs as %s, who may not read %s", c.service.user, paths[at]), fix)
}

// containerLogs are the files of a source that reads containers.
func containerLogs(spec config.Source) []string {
	paths, err := sources.FindContainers(sources.ContainerOptions{Name: spec.Name, Containers: spec.Containers, Labels: spec.Labels})
	if err != nil {
		return nil // told already
	}
	return paths
}
