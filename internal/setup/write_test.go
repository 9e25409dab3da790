package setup

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	const one, two = "[jail.libp2p-flood]\n", "[jail.libp2p-churn]\n"
	path := filepath.Join(t.TempDir(), "new", "p2pban.toml")
	read := func() string {
		t.Helper()
		b, err := os.ReadFile(path)
		must(t, err)
		return string(b)
	}
	must(t, Write(path, one, false))
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o644 || read() != one {
		t.Errorf("wrote %q with mode %v", read(), info.Mode())
	}
	if err := Write(path, two, false); err == nil || read() != one {
		t.Errorf("without force: %v, and the file is %q", err, read())
	}
	if err := Write(path, "[jail.none]\n", true); err == nil || read() != one {
		t.Errorf("a wrong configuration: %v, and the file is %q", err, read())
	}
	must(t, Write(path, two, true))
	if read() != two {
		t.Errorf("with force the file is %q", read())
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
