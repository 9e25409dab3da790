package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/p2pban/p2pban/internal/netnstest"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with; review the diff")

func TestMain(m *testing.M) {
	// The commands of the scripts run in the tests' own network namespace, so
	// that they can change its firewall and nobody else's.
	testscript.Main(netnstest.Wrap(m), map[string]func(){
		"p2pban": main,
	})
}

// TestScripts runs the commands as users do. Each script says what it shows.
func TestScripts(t *testing.T) {
	netnstest.Require(t)
	nft := netnstest.LookPath(t, "nft")
	captures, err := filepath.Abs("../../testdata/captures")
	if err != nil {
		t.Fatal(err)
	}
	testscript.RunT(inTurn{t}, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Condition: func(cond string) (bool, error) {
			if cond != "journal-remote" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			_, err := os.Stat("/lib/systemd/systemd-journal-remote")
			if err != nil && os.Getenv("CI") == "true" {
				return false, err
			}
			return err == nil, nil
		},
		Setup: func(e *testscript.Env) error {
			// Not $WORK: the path of a socket has at most 107 bytes.
			dir, err := os.MkdirTemp("", "p2pban")
			if err != nil {
				return err
			}
			e.Defer(func() { os.RemoveAll(dir) })
			e.Setenv("CAPTURES", captures)
			e.Setenv("CONTAINERS", filepath.Join(captures, "../containers"))
			e.Setenv("RUNTIME_DIRECTORY", dir)
			e.Setenv("STATE_DIRECTORY", dir)
			e.Setenv("TZ", "UTC")
			e.Setenv("PATH", e.Getenv("PATH")+":"+filepath.Dir(nft)+":/usr/bin:/bin")
			return nil
		},
	})
}

// inTurn runs the scripts one after the other: they share one firewall.
type inTurn struct{ *testing.T }

func (inTurn) Parallel()       {}
func (t inTurn) Verbose() bool { return testing.Verbose() }
func (t inTurn) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(inTurn{t}) })
}
