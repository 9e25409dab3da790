// Package packaging_test holds what packages ship: the unit's hardening, and
// configurations that load.
package packaging_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/netnstest"
)

// maxExposure is the worst that `systemd-analyze security` may say of the unit,
// in tenths.
const maxExposure = "15"

func TestUnitIsHardened(t *testing.T) {
	analyze := netnstest.LookPath(t, "systemd-analyze")
	out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold="+maxExposure, "systemd/p2pban.service").CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// TestUnitIsUnderstood has every section and key read by systemd itself, with
// a program in the place of the one that is not installed here.
func TestUnitIsUnderstood(t *testing.T) {
	analyze := netnstest.LookPath(t, "systemd-analyze")
	text, err := os.ReadFile("systemd/p2pban.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := strings.ReplaceAll(string(text), "/usr/bin/p2pban", "/bin/true")
	path := filepath.Join(t.TempDir(), "p2pban.service")
	dropin := path + ".d"
	if err := os.Mkdir(dropin, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile("systemd/root.conf")
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{path: unit, filepath.Join(dropin, "root.conf"): string(root)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "p2pban.service") || strings.Contains(line, "root.conf") {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
}

// TestShippedConfigurations holds that what packages and the compose example
// bring is right, and what each watches.
func TestShippedConfigurations(t *testing.T) {
	for path, sources := range map[string]int{
		"etc/p2pban.toml":    0, // the operator says what to watch
		"docker/p2pban.toml": 1,
	} {
		c, err := config.Load(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(c.Sources) != sources {
			t.Errorf("%s watches %d sources, want %d", path, len(c.Sources), sources)
		}
		if len(c.Warnings) > 0 {
			t.Errorf("%s: %v", path, c.Warnings)
		}
		names := map[string]bool{}
		for _, j := range c.Jails {
			names[j.Name] = true
		}
		for _, j := range config.Default().Jails {
			if !names[j.Name] {
				t.Errorf("%s lacks the built-in jail %s, which runs without a configuration", path, j.Name)
			}
			delete(names, j.Name)
		}
		if len(names) > 0 {
			t.Errorf("%s has jails that are not built in: %v", path, slices.Sorted(maps.Keys(names)))
		}
	}
}

// A link of Markdown, and a path that a program or a configuration names.
var (
	link    = regexp.MustCompile(`\]\(([^)#]+)`)
	docPath = regexp.MustCompile(`/usr/share/doc/p2pban/[\w./-]*\w`)
)

// TestDocumentsLeadSomewhere holds that what the documents of a package refer to is in
// the package.
func TestDocumentsLeadSomewhere(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("sh", "documents", dir).CombinedOutput(); err != nil {
		t.Fatalf("packaging/documents: %v\n%s", err, out)
	}
	links := 0
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s leads to %s, which is not in the package", path[len(dir)+1:], m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if links < 20 {
		t.Errorf("%d links were looked at; there are more", links)
	}
	for _, file := range []string{"etc/p2pban.toml", "../internal/agent/checkjournal.go", "../scripts/boot-test-inside"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		paths := docPath.FindAllString(string(text), -1)
		if len(paths) == 0 {
			t.Errorf("%s names no document; it need not be looked at", file)
		}
		for _, path := range paths {
			if _, err := os.Stat(filepath.Join(dir, strings.TrimPrefix(path, "/usr/share/doc/p2pban/"))); err != nil {
				t.Errorf("%s names %s, which is not in the package", file, path)
			}
		}
	}
}
