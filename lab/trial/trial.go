// Package trial runs one attack on one victim beside honest peers, with or
// without a ban agent between them, and says what came of it.
package trial

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/measure"
	"github.com/p2pban/p2pban/lab/world"
)

// Trial says what to run.
type Trial struct {
	// Victim is a kind of package victims, or "kubo".
	Victim string `json:"victim"`
	// Limits leaves the node's resource manager as shipped; false turns it off.
	Limits bool       `json:"limits"`
	Attack string     `json:"attack"`
	Agent  agent.Kind `json:"agent"`
	// Before and After are how long honest peers are watched without the
	// attack, During how long the attack goes on at most.
	Before time.Duration `json:"before"`
	During time.Duration `json:"during"`
	After  time.Duration `json:"after"`
	// Rate is the attack's in attempts a second; 0 is its own pace.
	Rate float64 `json:"rate,omitempty"`
	// Config is read by p2pban after the configuration with the built-in jails.
	Config string `json:"config,omitempty"`
}

// String names a trial in a line.
func (t Trial) String() string {
	limits := "no limits"
	if t.Limits {
		limits = "limits as shipped"
	}
	return fmt.Sprintf("%s on %s (%s), agent %s", t.Attack, t.Victim, limits, t.Agent)
}

// Lab is what all trials share.
type Lab struct {
	// Self is the lab's own program, which is the attacker, the honest peers
	// and the relay as well.
	Self string
	// P2pban is the program under test, Filters the directory of the filters
	// for fail2ban.
	P2pban, Filters string
	// Victim gives the arguments that start a victim of a kind.
	Victim func(ctx context.Context, kind string) ([]string, error)
	// Keep is a directory that takes a copy of each trial's logs, or "".
	Keep string
}

// linger is how long a banned attacker is watched, to see that it stays out.
const linger = 4 * time.Second

// Run makes a world, runs the trial in it and removes it again.
func (l Lab) Run(ctx context.Context, t Trial) (res *Result, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", t, err)
		}
	}()
	// Not in a directory of its own name: the path of a socket is short.
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w, err := world.New()
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := w.Close(); err == nil {
			err = e
		}
	}()
	s := &stage{lab: l, trial: t, world: w, dir: dir}
	if err := s.setUp(ctx); err != nil {
		return nil, err
	}
	if err := s.play(ctx); err != nil {
		return nil, fmt.Errorf("%w%s", err, s.tail())
	}
	if err := s.finish(ctx); err != nil {
		return nil, err
	}
	if l.Keep != "" {
		if err := os.CopyFS(filepath.Join(l.Keep, s.slug()), os.DirFS(dir)); err != nil {
			return nil, err
		}
	}
	return s.result()
}

// stage is a trial under way.
type stage struct {
	lab   Lab
	trial Trial
	world *world.World
	dir   string

	log     agent.Log
	victim  *victim
	agent   *agent.Agent
	monitor *measure.Monitor

	hostile, honest, home       measure.Attempts
	complaints                  lockedBuffer
	began, attacked, over, done time.Time

	account     *agent.Account
	agentUsage  agent.Usage
	victimUsage agent.Usage
	counts      measure.Counts
}

// setUp starts all that stands still: counter, monitor, victim, agent.
func (s *stage) setUp(ctx context.Context) (err error) {
	if err := measure.Count(s.world.Victim); err != nil {
		return err
	}
	if s.monitor, err = measure.Watch(s.world, s.world.Victim); err != nil {
		return err
	}
	if err := s.startVictim(ctx); err != nil {
		return err
	}
	s.agent, err = agent.Start(ctx, s.trial.Agent, agent.Setup{
		World: s.world, Dir: s.dir, Log: s.log,
		Binary: s.lab.P2pban, Filters: s.lab.Filters, Config: s.trial.Config,
	})
	return err
}

// play lets the honest peers and the attacker at the victim.
func (s *stage) play(ctx context.Context) error {
	s.began = time.Now()
	honest, err := s.startPeers(true, &s.honest)
	if err != nil {
		return err
	}
	peers := []*world.Process{honest}
	if s.behindNAT() {
		home, err := s.startHome()
		if err != nil {
			return err
		}
		peers = append(peers, home)
	}
	if err := pause(ctx, s.trial.Before); err != nil {
		return err
	}
	s.attacked = time.Now()
	attacker, err := s.startPeers(false, &s.hostile)
	if err != nil {
		return err
	}
	if err := s.attackUntil(ctx, attacker); err != nil {
		return err
	}
	if _, err := attacker.Stop(); err != nil {
		return fmt.Errorf("the attack: %w", err)
	}
	s.over = time.Now()
	if err := pause(ctx, s.trial.After); err != nil {
		return err
	}
	for _, p := range peers {
		if _, err := p.Stop(); err != nil {
			return fmt.Errorf("the honest peers: %w", err)
		}
	}
	s.done = time.Now()
	return nil
}

// attackUntil waits for the time to be up, or a little longer than a ban.
func (s *stage) attackUntil(ctx context.Context, attacker *world.Process) error {
	up := time.After(s.trial.During)
	banned := make(chan struct{})
	go func() {
		if s.monitor.Wait(s.trial.During, func(all []measure.Ban) bool { return s.firstBan(all) != nil }) {
			close(banned)
		}
	}()
	select {
	case <-banned:
	case <-up:
		return nil
	case <-attacker.Ended():
		return fmt.Errorf("the attack ended by itself: %w", attacker.Wait())
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-time.After(linger):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finish asks everybody what they have seen, and ends them.
func (s *stage) finish(ctx context.Context) (err error) {
	if s.account, err = s.agent.Account(ctx); err != nil {
		return err
	}
	if s.agentUsage, err = s.agent.Stop(); err != nil {
		return fmt.Errorf("the agent: %w", err)
	}
	if s.victimUsage, err = s.victim.stop(); err != nil {
		return fmt.Errorf("the victim: %w", err)
	}
	if s.counts, err = measure.Read(s.world.Victim); err != nil {
		return err
	}
	return s.monitor.Stop()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
