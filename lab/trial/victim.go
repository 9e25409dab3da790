package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/measure"
	"github.com/p2pban/p2pban/lab/victims"
	"github.com/p2pban/p2pban/lab/world"
)

// netns keeps the signatures short.
type netns = netnstest.NS

// startPatience is for a program to say hello, on however slow a machine.
const startPatience = 120 * time.Second

// unit is the victim's where its log goes to a journal.
const unit = "node.service"

// victim is the node under attack.
type victim struct {
	process *world.Process
	addrs   []string // each ends in /p2p/ID
	version string
	relay   string
	// stderr is closed after the process has ended.
	stderr interface{ Close() error }
}

// loggers are the settings by which each implementation logs what can be
// banned for, and no more: those that README.md and the rules ask for.
func loggers() []string {
	return []string{
		"GOLOG_LOG_LEVEL=error,canonical-log=info",
		"DEBUG=libp2p:connection-manager,libp2p:tcp:connection:inbound:*:error",
		"RUST_LOG=libp2p_swarm::connection::pool=debug,libp2p_core::upgrade=debug,multistream_select::length_delimited=debug",
	}
}

// startVictim starts the node, and before it the relay it is to be reached by
// and the journal it is to log to, if the attack needs them.
func (s *stage) startVictim(ctx context.Context) error {
	v := &victim{}
	argv := s.lab.Victims[s.trial.Victim]
	if len(argv) == 0 {
		return fmt.Errorf("there is no victim %q", s.trial.Victim)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	for _, at := range listen(s.trial.Victim) {
		cmd.Args = append(cmd.Args, "--listen", at)
	}
	limits := "off"
	if s.trial.Limits {
		limits = "on"
	}
	cmd.Args = append(cmd.Args, "--rcmgr", limits)
	if s.relayed() {
		var err error
		if v.relay, err = s.startRelay(ctx); err != nil {
			return err
		}
		cmd.Args = append(cmd.Args, "--relay", v.relay)
	}
	cmd.Env = append(os.Environ(), loggers()...)
	if s.trial.Logging != "" {
		cmd.Env = append(cmd.Env, "GOLOG_LOG_LEVEL="+s.trial.Logging)
	}
	if err := s.logTo(cmd, v); err != nil {
		return err
	}
	var hello struct {
		Peer, Version string
		Addrs         []string
	}
	p, err := s.startGreeter(ctx, cmd, s.world.Victim, &hello)
	if err != nil {
		return fmt.Errorf("the victim: %w", err)
	}
	v.process = p
	v.addrs, v.version = hello.Addrs, hello.Version
	s.victim = v
	return nil
}

// listen is where a victim listens; rust-libp2p's has no WebSocket.
func listen(kind string) []string {
	all := world.Listen()
	if kind == string(victims.Rust) {
		all = slices.DeleteFunc(all, func(at string) bool { return strings.HasSuffix(at, "/ws") })
	}
	return all
}

func (s *stage) startRelay(ctx context.Context) (addr string, err error) {
	cmd := exec.Command(s.lab.Self, "relay", "/ip4/"+world.Relay4+"/tcp/4001")
	cmd.Stderr = &s.complaints
	if _, err := s.startGreeter(ctx, cmd, s.world.Relay, &addr); err != nil {
		return "", fmt.Errorf("the relay: %w", err)
	}
	return addr, nil
}

// logTo sends the victim's stderr where the agent will read it.
func (s *stage) logTo(cmd *exec.Cmd, v *victim) error {
	if !s.journalled() {
		f, err := os.OpenFile(filepath.Join(s.dir, "node.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		s.log, cmd.Stderr, v.stderr = agent.Log{File: f.Name()}, f, f
		return nil
	}
	j, err := s.world.Journal()
	if err != nil {
		return err
	}
	stream, err := s.world.Stream(j, unit)
	if err != nil {
		return err
	}
	// An agent waits for a unit that nobody has heard of, and says so.
	if _, err := fmt.Fprintln(stream, "the node is to start"); err != nil {
		return err
	}
	s.log, cmd.Stderr, v.stderr = agent.Log{Journal: j.Directory(), Unit: unit}, stream, stream
	return nil
}

// startGreeter starts a program and reads the first line of its stdout, which
// is JSON; what follows it is not read.
func (s *stage) startGreeter(ctx context.Context, cmd *exec.Cmd, at *netns, hello any) (*world.Process, error) {
	said := make(chan error, 1)
	var once sync.Once
	cmd.Stdout = measure.Lines(func(line []byte) {
		once.Do(func() { said <- json.Unmarshal(line, hello) })
	})
	p, err := s.world.Start(at, cmd)
	if err != nil {
		return nil, err
	}
	select {
	case err = <-said:
	case <-p.Ended():
		err = fmt.Errorf("ended without a hello: %w", p.Wait())
	case <-time.After(startPatience):
		err = fmt.Errorf("no hello within %s", startPatience)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w%s", cmd, err, s.tail())
	}
	return p, nil
}

// stop ends the node and tells what it used.
func (v *victim) stop() (agent.Usage, error) {
	state, err := v.process.Stop()
	if err != nil {
		return agent.Usage{}, err
	}
	return agent.UsageOf(state), v.stderr.Close()
}

// logText gives all that the victim logged.
func (s *stage) logText() (string, error) {
	if s.log.Journal == "" {
		text, err := os.ReadFile(s.log.File)
		return string(text), err
	}
	out, err := exec.Command("journalctl", "--quiet", "--all", "--directory="+s.log.Journal, "--output=cat", "_SYSTEMD_UNIT="+s.log.Unit).Output()
	return string(out), err
}

// tailBytes is how much of the victim's log an error shows.
const tailBytes = 2000

// tail gives, for an error, what the programs said last.
func (s *stage) tail() string {
	text := ""
	if s.log.File != "" {
		b, _ := os.ReadFile(s.log.File) // only for the message
		text = string(b[max(0, len(b)-tailBytes):])
	}
	return fmt.Sprintf("\nthe peers said:\n%s\nthe victim logged last:\n%s", &s.complaints, text)
}
