// Package victims builds the nodes that the lab attacks, one for each
// implementation and release whose log differs. All take the same flags,
//
//	victim --listen MULTIADDR... [--rcmgr on|off] [--relay MULTIADDR]
//
// print {"peer","addrs","version"} as the first line of stdout, log to stderr
// as their implementation does by itself, and end on SIGTERM. What they are
// built of comes from the package registries; what they do is for the lab to
// say.
package victims

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Kind is an implementation.
type Kind string

const (
	// Go is the current release of go-libp2p, whose canonical log is written
	// by log/slog (since v0.44).
	Go Kind = "go"
	// GoOld is go-libp2p v0.43, the last release before that change.
	GoOld Kind = "go-old"
	// JS is js-libp2p on the Node.js that npm brings with it.
	JS Kind = "js"
	// Rust is rust-libp2p.
	Rust Kind = "rust"
)

// Kinds gives every kind.
func Kinds() []Kind { return []Kind{Go, GoOld, JS, Rust} }

// ErrNoToolchain says that a victim cannot be built because the program that
// builds it is not installed.
var ErrNoToolchain = errors.New("no toolchain")

// Build gives the command line of a victim, to which its flags are added. It
// builds the program into dir (a directory of the user's cache if empty) where
// that has not been done before, with packages from the network. The error
// wraps ErrNoToolchain, with the reason, where go, cargo or npm is missing.
func Build(ctx context.Context, kind Kind, dir string) (argv []string, err error) {
	source, err := sources()
	if err != nil {
		return nil, err
	}
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("victims: where to build: %w", err)
		}
		dir = filepath.Join(cache, "p2pban-lab")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("victims: where to build: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("victims: where to build: %w", err)
	}
	switch kind {
	case Go:
		argv, err = buildGo(ctx, filepath.Join(source, "go"), filepath.Join(dir, "victim-go"))
	case GoOld:
		argv, err = buildGo(ctx, filepath.Join(source, "goold"), filepath.Join(dir, "victim-go-old"), "GOTOOLCHAIN="+goOldToolchain)
	case JS:
		argv, err = buildJS(ctx, filepath.Join(source, "js"), filepath.Join(dir, "js"))
	case Rust:
		argv, err = buildRust(ctx, filepath.Join(source, "rust"), filepath.Join(dir, "rust"))
	default:
		return nil, fmt.Errorf("victims: no victim is called %q; there are %q", kind, Kinds())
	}
	if err != nil {
		return nil, fmt.Errorf("building the %s victim: %w", kind, err)
	}
	return argv, nil
}

// sources finds the directory of this file, where the programs' sources are.
func sources() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if _, err := os.Stat(file); !ok || err != nil {
		return "", fmt.Errorf("victims: their sources are not at %s: run the lab from its checkout, built without -trimpath", filepath.Dir(file))
	}
	return filepath.Dir(file), nil
}

// goOldToolchain is the last Go on which a node of go-libp2p v0.43 accepts
// QUIC, which the go command fetches like a package. Since Go 1.26 crypto/tls
// reports no error for session tickets that are switched off, and quic-go
// v0.54 panics on the first inbound connection ("where's my session ticket?").
const goOldToolchain = "go1.25.4"

// buildGo leaves it to the go command to know what is up to date.
func buildGo(ctx context.Context, source, program string, env ...string) ([]string, error) {
	if err := run(ctx, source, env, "go", "build", "-o", program, "."); err != nil {
		return nil, err
	}
	return []string{program}, nil
}

// buildRust leaves it to cargo to know what is up to date. CARGO_BUILD_JOBS
// tells it how much of the machine to use.
func buildRust(ctx context.Context, source, target string) ([]string, error) {
	if err := run(ctx, source, nil, "cargo", "build", "--release", "--locked", "--target-dir", target); err != nil {
		return nil, err
	}
	return []string{filepath.Join(target, "release", "victim")}, nil
}

// buildJS installs in a copy of the source: npm knows no other place than
// beside package.json.
func buildJS(ctx context.Context, source, dir string) ([]string, error) {
	node := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if node == "" {
		return nil, fmt.Errorf("%w: npm has no Node.js for %s", ErrNoToolchain, runtime.GOARCH)
	}
	argv := []string{filepath.Join(dir, "node_modules", "node-linux-"+node, "bin", "node"), filepath.Join(dir, "victim.mjs")}
	// npm writes this file last.
	_, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	installed := err == nil && same(source, dir, "package-lock.json")
	for _, name := range []string{"package.json", "package-lock.json", "victim.mjs"} {
		if err := copyFile(source, dir, name); err != nil {
			return nil, err
		}
	}
	if installed {
		return argv, nil
	}
	return argv, run(ctx, dir, nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
}

// run runs a program and gives the end of what it said if it fails.
func run(ctx context.Context, dir string, env []string, argv ...string) error {
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoToolchain, err)
	}
	cmd := exec.CommandContext(ctx, program, argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		const tail = 2000
		return fmt.Errorf("%v in %s: %w\n%s", argv, dir, err, out[max(0, len(out)-tail):])
	}
	return nil
}

func copyFile(from, to, name string) error {
	text, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, name), text, 0o644)
}

func same(a, b, name string) bool {
	x, errX := os.ReadFile(filepath.Join(a, name))
	y, errY := os.ReadFile(filepath.Join(b, name))
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
