package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/p2pban/p2pban/internal/config"
)

// TestCheckOfSharedFile tells of a log that two sources read, whatever names lead to
// it, once; what one source names twice it reads once.
func TestCheckOfSharedFile(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a.log", "b.log", "other.txt"} {
		if err := os.WriteFile(path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(path("a.log"), path("link")); err != nil {
		t.Fatal(err)
	}
	c := &checker{cfg: &config.Config{Sources: []config.Source{
		{Name: "first", Files: []string{path("*.log"), path("a.log")}},
		{Name: "other", Files: []string{path("other.txt"), path("none")}},
		{Name: "second", Files: []string{path("link"), path("b.log")}},
		{Name: "unit", Units: []string{"ipfs.service"}},
	}}}
	c.shared()
	if len(c.findings) != 1 || c.findings[0].Level != Warning || c.findings[0].About != "source second" {
		t.Fatalf("%+v, want one warning about the second source", c.findings)
	}
	if want := "source first reads " + path("a.log") + " too: every line of it counts twice, and hosts are banned at half of maxretry"; c.findings[0].What != want {
		t.Errorf("says %q, want %q", c.findings[0].What, want)
	}
}
