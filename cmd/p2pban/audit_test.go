package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exits is a command of the scripts: "exits 2 p2pban flush all" runs the rest,
// which must end with that code. What was printed can be looked at afterwards.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("it ended with %d, want %d", code, want)
	}
}

// ran is one line of a script that runs p2pban, and the one after it.
type ran struct{ line, next string }

// scriptLines gives the lines of all scripts that run p2pban.
func scriptLines(t *testing.T) []ran {
	t.Helper()
	paths, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var out []ran
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		script, _, _ := strings.Cut(string(text), "\n-- ")
		lines := strings.Split(script, "\n")
		for i, line := range lines[:len(lines)-1] {
			if strings.Contains(line, "p2pban ") && !strings.HasPrefix(line, "#") {
				out = append(out, ran{line, lines[i+1]})
			}
		}
	}
	return out
}

// TestEveryCommandIsShown holds that the scripts show each command at its work,
// its JSON, its help, each of its flags, and what it says to a wrong input (exit
// code 2) and when it fails (1).
func TestEveryCommandIsShown(t *testing.T) {
	lines := scriptLines(t)
	has := func(run, next string) bool {
		r, n := regexp.MustCompile(run), regexp.MustCompile(next)
		return slices.ContainsFunc(lines, func(s ran) bool { return r.MatchString(s.line) && n.MatchString(s.next) })
	}
	root := newRoot()
	root.InitDefaultHelpCmd()
	text := []string{"completion", "help"} // what is for a shell, or for people
	for _, c := range root.Commands() {
		run := `\bp2pban ` + c.Name() + `\b`
		need := map[string]bool{
			"at its work":                    has(run, ``),
			"its help, with examples":        has(`^p2pban `+c.Name()+` --help$`, `^stdout 'Examples:`),
			"a wrong input, with its answer": has(`^exits 2 p2pban `+c.Name()+`\b`, `^stderr `),
			"its JSON":                       slices.Contains(text, c.Name()) || has(run+`.* --json`, ``),
			"a failure, with its reason":     slices.Contains(append(text, "version"), c.Name()) || has(`^exits 1 (setpriv .* )?p2pban `+c.Name()+`\b`, `^std(err|out) `),
		}
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			need["--"+f.Name] = f.Name == "help" || has(run+`.* --`+f.Name+`\b`, ``)
		})
		for what, ok := range need {
			if !ok {
				t.Errorf("no script shows of %q %s", c.Name(), what)
			}
		}
	}
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !has(`p2pban .*--`+f.Name+`\b`, ``) {
			t.Errorf("no script shows --%s", f.Name)
		}
	})
}

// TestHelpIsWhole holds that each command has a sentence, an example of its own
// and a line of help for each flag.
func TestHelpIsWhole(t *testing.T) {
	root := newRoot()
	root.InitDefaultHelpCmd()
	check := func(c *cobra.Command) {
		if c.Short == "" || !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%q: %q, example %q", c.CommandPath(), c.Short, c.Example)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no help", c.CommandPath(), f.Name)
			}
		})
	}
	check(root)
	for _, c := range root.Commands() {
		check(c)
	}
}
