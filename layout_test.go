// Package p2pban_test holds the layout of the code: who may import whom, and
// that every package says what it is.
package p2pban_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/p2pban/p2pban/"

// mayImport lists, for every package, the packages of ours it may import.
// What can be used by itself stands first; cmd, which wires, comes last.
var mayImport = map[string][]string{
	"sources":  {},
	"parser":   {},
	"firewall": {},
	"jail":     {"parser"},

	"internal/control":    {},
	"internal/metrics":    {},
	"internal/journallog": {},
	"internal/state":      {"jail"},
	"internal/config":     {"parser", "jail", "firewall", "internal/control"},
	"internal/agent": {"sources", "parser", "jail", "firewall",
		"internal/config", "internal/control", "internal/state", "internal/metrics"},

	"internal/conformance": {"parser"},
	"internal/setup":       {"sources", "parser", "jail", "internal/config"},
	"internal/netnstest":   {},
	"internal/journaltest": {},

	"cmd/p2pban": {"sources", "jail", "firewall", "parser",
		"internal/agent", "internal/config", "internal/conformance", "internal/control", "internal/journallog", "internal/setup"},
}

type goPackage struct {
	ImportPath, Doc string
	Imports         []string
	GoFiles         []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			all = append(all, p)
		}
	}
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s is new: say in mayImport what it may import", name)
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which the layout does not allow", name, ours)
			}
		}
	}
}

func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
