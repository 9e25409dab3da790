package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// docsEnv names a directory that TestDocs writes to, for a package:
//
//	P2PBAN_DOCS=$PWD/dist/docs go test ./cmd/p2pban -run '^TestDocs$' -count=1
//
// It is a test because the commands live in a main package, which nothing can
// import, and because the pages are part of what must not break. The released
// binary is kept free of what renders them. SOURCE_DATE_EPOCH dates the pages.
const docsEnv = "P2PBAN_DOCS"

// TestDocs makes a man page of every command and the completions of three
// shells, and holds that each page says what it must.
func TestDocs(t *testing.T) {
	dir := os.Getenv(docsEnv)
	if dir == "" {
		dir = t.TempDir()
	}
	man := filepath.Join(dir, "man")
	if err := os.MkdirAll(man, 0o755); err != nil {
		t.Fatal(err)
	}
	root := newRoot()
	root.DisableAutoGenTag = true // a page of yesterday is the same page
	header := &doc.GenManHeader{Section: "8", Source: "p2pban", Manual: "p2pban"}
	if err := doc.GenManTree(root, header, man); err != nil {
		t.Fatal(err)
	}
	checkPage(t, man, root)
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() { // cobra's own "help" is not
			checkPage(t, man, c)
		}
	}
	checkCompletions(t, dir)
}

// checkPage holds what manpages(7) wants of a page, an example, and every flag.
func checkPage(t *testing.T, dir string, c *cobra.Command) {
	t.Helper()
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	text, err := os.ReadFile(filepath.Join(dir, name+".8"))
	if err != nil {
		t.Error(err)
		return
	}
	for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLE"} {
		if !bytes.Contains(text, []byte(".SH "+section+"\n")) {
			t.Errorf("the page of %q has no %s", name, section)
		}
	}
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !bytes.Contains(text, []byte("--"+f.Name)) {
			t.Errorf("the page of %q does not say --%s", name, f.Name)
		}
	})
}

// checkCompletions asks the program itself, as a user would, for the script of
// each shell, and puts it where packages have it.
func checkCompletions(t *testing.T, dir string) {
	t.Helper()
	for shell, file := range map[string]string{"bash": "p2pban", "zsh": "_p2pban", "fish": "p2pban.fish"} {
		var script, errs bytes.Buffer
		if code := run(t.Context(), []string{"completion", shell}, nil, &script, &errs); code != 0 {
			t.Errorf("p2pban completion %s ended with %d: %s", shell, code, &errs)
			continue
		}
		if !strings.Contains(script.String(), "p2pban") {
			t.Errorf("the completion for %s does not name p2pban", shell)
		}
		path := filepath.Join(dir, "completions", shell, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, script.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCompletionOffersCommands holds that a shell that asks gets the commands
// and what they are for.
func TestCompletionOffersCommands(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), []string{"__complete", ""}, nil, &out, io.Discard); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, c := range newRoot().Commands() {
		if want := fmt.Sprintf("%s\t%s\n", c.Name(), c.Short); !strings.Contains(out.String(), want) {
			t.Errorf("completion does not offer %q", want)
		}
	}
}

// TestCompletionOffersJails holds that a shell gets the jails where one is meant.
func TestCompletionOffersJails(t *testing.T) {
	for _, args := range [][]string{{"status", ""}, {"bans", "--jail", ""}, {"dry-run", "node.log", "--jail", ""}} {
		var out bytes.Buffer
		if code := run(t.Context(), append([]string{"__complete"}, args...), nil, &out, io.Discard); code != 0 {
			t.Fatalf("%v: exit code %d", args, code)
		}
		if !strings.Contains(out.String(), "libp2p-flood\n") {
			t.Errorf("%v: completion offers %q, and not the built-in jails", args, &out)
		}
	}
}
