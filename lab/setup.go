package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/p2pban/p2pban/lab/trial"
)

// newLab builds what trials need into dir, but p2pban only where none is given.
func newLab(ctx context.Context, dir, p2pban string) (trial.Lab, error) {
	self, err := os.Executable()
	if err != nil {
		return trial.Lab{}, err
	}
	root, err := repository(ctx)
	if err != nil {
		return trial.Lab{}, err
	}
	l := trial.Lab{
		Self:    self,
		P2pban:  filepath.Join(dir, "p2pban"),
		Filters: filepath.Join(root, "testdata", "fail2ban"),
		Victim: func(ctx context.Context, kind string) ([]string, error) {
			bin := filepath.Join(dir, "victim")
			return []string{bin}, goBuild(ctx, filepath.Join(root, "lab"), "./victims/go", bin)
		},
	}
	if p2pban != "" {
		l.P2pban = p2pban
		return l, nil
	}
	return l, goBuild(ctx, root, "./cmd/p2pban", l.P2pban)
}

// repository finds the directory of p2pban's module.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/p2pban/p2pban").Output()
	if err != nil {
		return "", fmt.Errorf("finding p2pban (run this in its lab directory): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func goBuild(ctx context.Context, dir, pkg, to string) error {
	out, err := exec.CommandContext(ctx, "go", "-C", dir, "build", "-o", to, pkg).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}
