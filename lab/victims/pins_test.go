package victims

import (
	"os"
	"regexp"
	"testing"
)

// TestRustVersion holds the version that the rust victim tells against the one
// it is built with: Rust does not tell a program what it is made of.
func TestRustVersion(t *testing.T) {
	pinned := find(t, "rust/Cargo.toml", `libp2p = \{ version = "=([0-9.]+)"`)
	told := find(t, "rust/src/main.rs", `VERSION: &str = "rust-libp2p ([0-9.]+)"`)
	if pinned != told {
		t.Errorf("Cargo.toml pins %s, main.rs tells %s", pinned, told)
	}
}

func find(t *testing.T, file, pattern string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern).FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s does not have %s", file, pattern)
	}
	return string(m[1])
}
