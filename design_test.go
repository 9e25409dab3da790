package p2pban_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const design = "docs/design.md"

// TestDesignNamesWhatIsThere holds the page about the design against the code:
// the bounds and their values, the files and the tests that it names.
func TestDesignNamesWhatIsThere(t *testing.T) {
	text, err := os.ReadFile(design)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	bounds := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `([\\w/]+)` \\| ([\\d,]+) \\|").FindAllStringSubmatch(page, -1)
	if len(bounds) == 0 {
		t.Fatalf("%s has no table of bounds", design)
	}
	for _, b := range bounds {
		want := strings.ReplaceAll(b[3], ",", "")
		if is := constant(t, b[2], b[1]); is != want {
			t.Errorf("%s gives %s of %s as %s, the code as %q", design, b[1], b[2], want, is)
		}
	}
	for _, file := range regexp.MustCompile("`([\\w/]+\\.go)`").FindAllStringSubmatch(page, -1) {
		if path := file[1]; !exists(path) && !exists(filepath.Join("internal/agent", path)) {
			t.Errorf("%s names the file %s, which is not there", design, path)
		}
	}
	there := tests(t)
	for _, name := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(page, -1) {
		if !there[name[1]] {
			t.Errorf("%s names the test %s, which is not there", design, name[1])
		}
	}
}

// constant gives the value of a package's constant whose expression has no names
// in it; "" when there is none.
func constant(t *testing.T, dir, name string) string {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				if v := spec.(*ast.ValueSpec); v.Names[0].Name == name {
					value, err := types.Eval(token.NewFileSet(), nil, token.NoPos, types.ExprString(v.Values[0]))
					if err != nil {
						t.Fatal(err)
					}
					return value.Value.ExactString()
				}
			}
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tests are the names of all tests of the module.
func tests(t *testing.T) map[string]bool {
	all := map[string]bool{}
	find := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range find.FindAllSubmatch(text, -1) {
			all[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
