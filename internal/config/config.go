// Package config turns TOML files into typed settings, or into a list of
// everything that is wrong with them, each with its file, line and column. It
// reads files and the environment's runtime directories and does nothing else.
//
// The main file comes first, then every *.toml of the directory beside it that
// has the same name with .d (/etc/p2pban/p2pban.d for /etc/p2pban/p2pban.toml),
// in the order of their names. A later file changes single keys of a table and
// replaces everything else, lists too.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
)

// Where things are when nothing says otherwise.
const (
	DefaultPath   = "/etc/p2pban/p2pban.toml"
	DefaultSocket = control.DefaultSocket
	DefaultState  = "/var/lib/p2pban/state.db"
)

// Config is what p2pban was told to do. Everything in it is valid.
type Config struct {
	// Path is the file it came from, empty for the built-in defaults; Files is
	// that file and its drop-ins, in the order read.
	Path  string
	Files []string
	// Sources are sorted by name. There may be none: a dry run brings its own
	// files.
	Sources []Source
	// Ruleset is every rule there is.
	Ruleset *parser.Ruleset
	// Jails are sorted by name; their Rules are full names.
	Jails    []jail.Config
	Firewall Firewall
	Daemon   Daemon
	Metrics  Metrics
	// Warnings are faults that keep nothing from working.
	Warnings Problems
}

// Stdin stands for standard input among a Source's Files. Only a command line
// can name it: a service has none.
const Stdin = "-"

// Source is one place where a node logs: files, the journal, or containers.
type Source struct {
	Name string
	// Files are absolute paths or globs.
	Files []string
	// Units are systemd units, UserUnits those of users' own managers, Matches
	// FIELD=value of journal entries. Directory holds journal files; empty for
	// the journal of this machine.
	Units, UserUnits, Matches []string
	Directory                 string
	// Containers are names of containers, Labels what Docker's must have
	// (KEY or KEY=VALUE).
	Containers, Labels []string
	// Format pins the framing of the lines (parser.Formats); empty means that
	// it is recognised line by line.
	Format string
	// FromStart reads what was logged before the first start as well.
	FromStart bool
	// Trust believes the stream even where a stranger could write whole lines
	// into it (parser.Risks).
	Trust bool
}

// Firewall is how bans are enforced.
type Firewall struct {
	// Backend is one of Backends.
	Backend string
	// Ports and Protocols narrow what a banned host is kept from; empty for all.
	Ports     []uint16
	Protocols []firewall.Protocol
	// KillSockets destroys the running connections of a banned host, in the
	// network namespace NodeNetNS (a file) or, if that is empty, in ours.
	KillSockets bool
	NodeNetNS   string
	// KuboAPI is the RPC API of a Kubo node that shall filter banned hosts too,
	// empty for none; KuboAuthorization is what that API asks for.
	KuboAPI, KuboAuthorization string
	// DenyFile is a file of multiaddrs to keep, empty for none.
	DenyFile string
}

// Backends are the values of Firewall.Backend.
var Backends = []string{"auto", "nftables", "iptables", "print", "none"}

// Daemon is where the daemon keeps its things.
type Daemon struct {
	// Socket is the control socket, State the state file; both absolute.
	Socket, State string
}

// Default is the configuration without a file: the built-in jails, no source.
func Default() *Config {
	c := base()
	for _, j := range builtinJails() {
		c.Jails = append(c.Jails, j)
	}
	sortJails(c.Jails)
	if err := expandAll(c); err != nil {
		panic(err) // a test excludes it
	}
	return c
}

// base is what every configuration begins with.
func base() *Config {
	return &Config{
		Ruleset:  parser.Builtin(),
		Firewall: Firewall{Backend: "auto"},
		Daemon: Daemon{
			Socket: inDirectory("RUNTIME_DIRECTORY", DefaultSocket),
			State:  inDirectory("STATE_DIRECTORY", DefaultState),
		},
	}
}

// inDirectory moves a default path into the directory that systemd made for
// the service, if it did (systemd.exec(5): a colon-separated list).
func inDirectory(variable, path string) string {
	dir, _, _ := strings.Cut(os.Getenv(variable), ":")
	if dir == "" {
		return path
	}
	return filepath.Join(dir, filepath.Base(path))
}

// LoadOrDefault is Load of path, or, where path is empty, of DefaultPath if it
// or a drop-in of it exists, or else Default.
func LoadOrDefault(path string) (*Config, error) {
	if path != "" {
		return Load(path)
	}
	c, err := Load(DefaultPath)
	if errors.Is(err, fs.ErrNotExist) {
		return Default(), nil
	}
	return c, err
}

// Load reads the file at path and its drop-ins. What is wrong in them comes
// back as Problems, all at once; a missing main file with drop-ins counts as
// an empty one, and without any is an error that is fs.ErrNotExist.
func Load(path string) (*Config, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	dropins, err := filepath.Glob(dropinGlob(path)) // sorted
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	files := append([]string{path}, dropins...)
	if _, err := os.Stat(path); len(dropins) > 0 && errors.Is(err, fs.ErrNotExist) {
		files = dropins
	}
	top, err := readAll(files)
	if err != nil {
		return nil, err
	}
	c := base()
	c.Path, c.Files = path, files
	c.Warnings = writableByOthers(files)
	l := loader{asked: map[string][]string{}}
	l.build(c, top)
	if len(l.problems) > 0 {
		l.problems.sort(files)
		return nil, l.problems
	}
	c.Warnings = append(c.Warnings, l.warnings...)
	return c, nil
}

// dropinGlob finds the drop-ins of a file. The directory is taken literally.
func dropinGlob(path string) string {
	dir := strings.TrimSuffix(path, ".toml") + ".d"
	literal := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
	return filepath.Join(literal, "*.toml")
}

// readAll reads and merges files. Syntax errors of all of them are Problems.
func readAll(files []string) (*node, error) {
	top := &node{file: &file{path: files[0]}, table: map[string]*node{}}
	var problems Problems
	for _, path := range files {
		n, err := readFile(path)
		var p Problem
		switch {
		case errors.As(err, &p):
			problems = append(problems, p)
		case err != nil:
			return nil, fmt.Errorf("configuration: %w", err)
		default:
			top.merge(n)
		}
	}
	if problems != nil {
		return nil, problems
	}
	return top, nil
}

// writableByOthers warns of files that any user could change: what stands in
// them decides who is kept out of this machine.
func writableByOthers(files []string) Problems {
	var ps Problems
	for _, path := range files {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o002 != 0 {
			ps = append(ps, Problem{File: path, Msg: "every user can write this file", Hint: "chmod o-w " + path})
		}
	}
	return ps
}
