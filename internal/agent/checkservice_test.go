package agent

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/p2pban/p2pban/internal/config"
)

func TestParseService(t *testing.T) {
	for shown, want := range map[string]string{
		"User=nobody\nSupplementaryGroups=\nAmbientCapabilities=cap_net_admin\n":                     "nobody",
		"AmbientCapabilities=cap_net_admin\nSupplementaryGroups=daemon no-such-group\nUser=nobody\n": "nobody",
		"User=nobody\nAmbientCapabilities=cap_dac_read_search cap_net_admin\n":                       "",
		"User=root\nSupplementaryGroups=p2pban\n":                                                    "",
		"User=\nSupplementaryGroups=\nAmbientCapabilities=\n":                                        "", // no such unit
		"User=no-such-user\n": "",
		"":                    "",
	} {
		got := ""
		s := parseService(shown)
		if s != nil {
			got = s.user
		}
		if got != want {
			t.Errorf("%q is a service of %q, want %q", shown, got, want)
		}
		if s != nil && strings.Contains(shown, "daemon") && len(s.credential.Groups) != len(parseService("User=nobody").credential.Groups)+1 {
			t.Errorf("%q has the groups %v, and not one more than its user", shown, s.credential.Groups)
		}
	}
}

// A check by root must not promise that the service reads what only root may.
func TestCheckSaysWhatTheServiceCannotRead(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "node.log")
	s := &service{"p2pban", &syscall.Credential{Uid: 65534, Gid: 65534}}
	asNobody := exec.Command("true")
	asNobody.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	if err := asNobody.Run(); err != nil {
		// In a user namespace there is no other user than root, whom a file that is
		// not there keeps out as well.
		t.Logf("this machine lets us be no other user (%v)", err)
		s.credential = nil
		if s.reads(t.Context(), log) || !s.reads(t.Context(), dir) {
			t.Error("a file that is not there can be read, or a directory can't")
		}
		return
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := &checker{cfg: config.Default(), service: s}
	said := func(mode os.FileMode) string {
		t.Helper()
		if err := errors.Join(os.WriteFile(log, nil, mode), os.Chmod(log, mode)); err != nil {
			t.Fatal(err)
		}
		c.findings = nil
		c.source(t.Context(), config.Source{Name: "node", Files: []string{log}})
		for _, f := range c.findings {
			if f.Level == Trouble {
				return f.What
			}
		}
		return ""
	}
	if got := said(0o640); !strings.Contains(got, "the service runs as p2pban, who may not read "+log) {
		t.Errorf("of a log that it may not read: %q", got)
	}
	if got := said(0o644); got != "" {
		t.Errorf("of a log that it may read: %q", got)
	}
}

// On a file system that is mounted read-only the daemon does not start, whoever runs it:
// `p2pban check && systemctl start p2pban` must not come to the second.
func TestCheckOfAReadOnlyState(t *testing.T) {
	for err, want := range map[error]Level{syscall.EROFS: Trouble, syscall.EACCES: Warning} {
		c := &checker{}
		c.cannotWrite("/var/lib/p2pban/state.db", &os.PathError{Op: "access", Path: "/var/lib/p2pban", Err: err})
		if f := c.findings[0]; f.Level != want || !strings.Contains(f.What, "can't be written") || strings.Contains(f.What, "this user") != (want == Warning) {
			t.Errorf("%v: %+v, want the level %v", err, f, want)
		}
	}
}
