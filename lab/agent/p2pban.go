package agent

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/jail"
)

// Socket is where p2pban listens when it was set up in dir.
func Socket(dir string) string { return filepath.Join(dir, "p2pban.sock") }

func startP2pban(ctx context.Context, s Setup) (*Agent, error) {
	config := filepath.Join(s.Dir, "p2pban.toml")
	if err := writeP2pbanConfig(s, config); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(s.Dir, "p2pban.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(s.Binary, "run", "--config", config)
	cmd.Stdout, cmd.Stderr = log, log
	a := &Agent{control: control.NewClient(Socket(s.Dir)), log: log.Name()}
	if a.process, err = s.World.Start(s.World.Victim, cmd); err != nil {
		return nil, err
	}
	err = await(ctx, a.process, log.Name(), func(ctx context.Context) error {
		st, err := a.control.Status(ctx)
		if err != nil {
			return err
		}
		for _, source := range st.Sources {
			if source.State != "reading" {
				return fmt.Errorf("source %s is %s", source.Name, source.State)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("p2pban: %w", err)
	}
	return a, nil
}

// writeP2pbanConfig writes a configuration with all the built-in jails, and
// what the trial changes as a file that is read after it.
func writeP2pbanConfig(s Setup, to string) error {
	source := fmt.Sprintf("file = %q", s.Log.File)
	if s.Log.Journal != "" {
		source = fmt.Sprintf("directory = %q\nunit = %q", s.Log.Journal, s.Log.Unit)
	}
	text := fmt.Sprintf("[source.node]\n%s\nfromstart = true\n\n[daemon]\nsocket = %q\nstate = %q\n\n",
		source, Socket(s.Dir), filepath.Join(s.Dir, "state.db"))
	for _, j := range jail.Defaults() {
		text += "[jail." + j.Name + "]\n"
	}
	if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
		return err
	}
	dropins := filepath.Join(s.Dir, "p2pban.d")
	if err := os.Mkdir(dropins, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dropins, "lab.toml"), []byte(s.Config), 0o600)
}
