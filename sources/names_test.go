package sources

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBasesOfAName: among the bases that a name allows is every log from which
// rotatedFrom says that it was rotated away.
func TestBasesOfAName(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	parts := []string{"node", "n", ".log", ".", "-", "_", ".1", ".12", ".old", "-20260101", "-2026-01-01T00-00-00.000", ".gz", ".xz", "log", "1", ":", "é"}
	name := func() string {
		var b strings.Builder
		for range 1 + r.IntN(6) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		return b.String()
	}
	rotations := 0
	for range 200_000 {
		base := name()
		for _, name := range []string{
			name(), base + name(), strings.TrimSuffix(base, filepath.Ext(base)) + name() + filepath.Ext(base), strings.TrimSuffix(base, filepath.Ext(base)) + name() + filepath.Ext(base) + ".gz",
		} {
			if _, ok := rotatedFrom(base, name); !ok {
				continue
			}
			rotations++
			if !slices.Contains(slices.Collect(basesOf(name)), base) {
				t.Fatalf("%q was rotated away from %q, which is none of %q", name, base, slices.Collect(basesOf(name)))
			}
		}
	}
	if rotations < 1000 {
		t.Errorf("%d names are of rotated files: too few", rotations)
	}
}

// TestManyRotatedFiles: how many logs a name is compared with does not grow with
// the number of logs in its directory.
func TestManyRotatedFiles(t *testing.T) {
	const name = "/var/log/node-2026-01-01T00-00-00.000.log"
	asked := 0
	of := func(log string) bool {
		return isRotated(name, func(path string) bool { asked++; return path == log })
	}
	if !of("/var/log/node.log") {
		t.Error("it is not known as rotated away from /var/log/node.log")
	}
	if of("/var/log/other.log") || of("/srv/node.log") {
		t.Error("it is taken for rotated away from another log")
	}
	// Before each separator a name can end, or a stem; three times it was looked for.
	if most := 3 * 2 * (strings.Count(name, "-") + strings.Count(name, ".")); asked > most {
		t.Errorf("asked for %d logs, want at most %d", asked, most)
	}
}
