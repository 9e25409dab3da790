package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/p2pban/p2pban/lab/trial"
	"github.com/p2pban/p2pban/lab/victims"
)

// preparedEnv carries a prepared into the namespace, where there is no network
// to build anything from.
const preparedEnv = "P2PBAN_LAB"

// prepared is the programs that trials need.
type prepared struct {
	P2pban, Filters string
	// Commit is that of the checkout which P2pban was built from, behind a comma;
	// a build from a checkout does not know it.
	Commit string
	// Victims are the arguments that start each victim; Missing says why one
	// could not be built here.
	Victims map[string][]string
	Missing map[string]string
}

// prepare builds the programs into the user's cache; p2pban only if none is
// given. Kubo is never built: it is the program of that path.
func prepare(ctx context.Context, p2pban, kubo string, kinds []string) (prepared, error) {
	p := prepared{P2pban: p2pban, Victims: map[string][]string{}, Missing: map[string]string{}}
	root, err := repository(ctx)
	if err != nil {
		return p, err
	}
	p.Filters = filepath.Join(root, "testdata", "fail2ban")
	if p.P2pban == "" {
		if p.P2pban, err = buildP2pban(ctx, root); err != nil {
			return p, err
		}
		if out, err := exec.CommandContext(ctx, "git", "-C", root, "rev-parse", "--short", "HEAD").Output(); err == nil {
			p.Commit = ", commit " + strings.TrimSpace(string(out))
		}
	}
	if p.P2pban, err = filepath.Abs(p.P2pban); err != nil {
		return p, err
	}
	for _, k := range kinds {
		if k == string(kuboKind) {
			if p.Victims[k], err = kuboVictim(kubo); err != nil {
				return p, err
			}
			continue
		}
		argv, err := victims.Build(ctx, victims.Kind(k), "")
		switch {
		case errors.Is(err, victims.ErrNoToolchain):
			p.Missing[k] = err.Error()
		case err != nil:
			return p, err
		default:
			p.Victims[k] = argv
		}
	}
	return p, nil
}

func buildP2pban(ctx context.Context, root string) (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "p2pban-lab", "p2pban")
	out, err := exec.CommandContext(ctx, "go", "-C", root, "build", "-o", program, "./cmd/p2pban").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building p2pban: %w\n%s", err, out)
	}
	return program, nil
}

// kuboVictim is this program again, around ipfs.
func kuboVictim(ipfs string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if ipfs, err = filepath.Abs(ipfs); err != nil {
		return nil, err
	}
	if _, err := os.Stat(ipfs); err != nil {
		return nil, fmt.Errorf("-kubo: %w", err)
	}
	return []string{self, "kubo", ipfs}, nil
}

// repository finds the directory of p2pban's module.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/p2pban/p2pban").Output()
	if err != nil {
		return "", fmt.Errorf("finding p2pban (run this in its lab directory): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// hand leaves p for the run inside the namespace.
func (p prepared) hand() error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.Setenv(preparedEnv, string(text))
}

// receive gives what hand left; ok is false outside the namespace.
func receive() (p prepared, ok bool, err error) {
	text := os.Getenv(preparedEnv)
	if text == "" {
		return p, false, nil
	}
	return p, true, json.Unmarshal([]byte(text), &p)
}

// lab makes trials of what was prepared.
func (p prepared) lab() (trial.Lab, error) {
	self, err := os.Executable()
	if err != nil {
		return trial.Lab{}, err
	}
	return trial.Lab{Self: self, P2pban: p.P2pban, Filters: p.Filters, Victims: p.Victims}, nil
}
