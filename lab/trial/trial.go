// Package trial runs one attack on one victim beside honest peers, with or
// without a ban agent between them, and says what came of it.
package trial

import (
	"context"
	"errors"
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
	// Victim is a kind of Lab.Victims.
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
	// Lines has the attack end before During is up, as soon as the victim has
	// logged so many lines with the address that it comes from.
	Lines int `json:"lines,omitempty"`
	// Rate is the attack's in attempts a second; 0 is its own pace.
	Rate float64 `json:"rate,omitempty"`
	// Logging is GOLOG_LOG_LEVEL, in place of what README.md asks for.
	Logging string `json:"logging,omitempty"`
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
	// Victims are the arguments that start a victim of each kind.
	Victims map[string][]string
	// Beside, if set, is called when the attack begins, with the directory that
	// the agent was set up in, and is waited for; its context ends with the
	// attack.
	Beside func(ctx context.Context, dir string)
	// Keep is a directory that takes a copy of each trial's logs, or "".
	Keep string
}

// linger is how long an attack goes on after the first ban, to see that it
// stays out.
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
	accused     int
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
	aside := s.beside(ctx)
	err = s.attackUntil(ctx, attacker)
	aside()
	if err != nil {
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

// beside calls Lab.Beside; what it gives ends that.
func (s *stage) beside(ctx context.Context) (end func()) {
	if s.lab.Beside == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.lab.Beside(ctx, s.dir)
	}()
	return func() {
		cancel()
		<-done
	}
}

// attackUntil waits for the time to be up, for the lines to be logged, or a
// little longer than a ban.
func (s *stage) attackUntil(ctx context.Context, attacker *world.Process) error {
	ctx, cancel := context.WithTimeout(ctx, s.trial.During)
	defer cancel()
	enough := make(chan time.Duration, 2)
	go func() {
		if s.monitor.Wait(s.trial.During, func(all []measure.Ban) bool { return len(all) > 0 }) {
			enough <- linger
		}
	}()
	go func() {
		if s.trial.Lines > 0 && s.logged(ctx, s.trial.Lines) {
			enough <- 0
		}
	}()
	select {
	case more := <-enough:
		if pause(ctx, more) != nil {
			return overtime(ctx)
		}
		return nil
	case <-attacker.Ended():
		return fmt.Errorf("the attack ended by itself: %w", attacker.Wait())
	case <-s.victim.process.Ended():
		return fmt.Errorf("the victim ended: %w", s.victim.process.Wait())
	case <-ctx.Done():
		return overtime(ctx)
	}
}

// logged waits until the victim has logged so many lines of the attack.
func (s *stage) logged(ctx context.Context, lines int) bool {
	for {
		text, err := s.logText()
		if err == nil && len(measure.Mentions(text, s.asLogged()...)) >= lines {
			return true
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return false
		}
	}
}

// overtime tells whether a context ended for another reason than that time is
// up.
func overtime(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	return ctx.Err()
}

// finish asks everybody what they have seen, and ends them.
func (s *stage) finish(ctx context.Context) (err error) {
	if s.account, err = s.agent.Account(ctx); err != nil {
		return err
	}
	if s.accused, err = s.agent.Accused(ctx, s.scapegoat()); err != nil {
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
