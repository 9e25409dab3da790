// Package agent starts the ban agents that the lab compares, each as an
// operator would: the real program with a real configuration, in the victim's
// namespace.
package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/lab/world"
)

// Kind names an agent.
type Kind string

const (
	// None leaves the victim to itself.
	None Kind = "none"
	// P2pban runs with its built-in jails.
	P2pban Kind = "p2pban"
	// Fail2ban runs with the filter and the jail of libp2p's documentation.
	Fail2ban Kind = "fail2ban"
	// Anchored is fail2ban with the filter and the jail that docs/fail2ban.md gives
	// to those who stay with it.
	Anchored Kind = "fail2ban-anchored"
)

// Kinds are all agents.
func Kinds() []Kind { return []Kind{None, P2pban, Fail2ban, Anchored} }

// Log is where the victim's log can be read: in a file, or in a journal.
type Log struct {
	File string
	// Journal is a directory of journal files, Unit whose entries in it count.
	Journal, Unit string
}

// Setup is what an agent is started with.
type Setup struct {
	World *world.World
	// Dir is for the agent's own files. Its path must be short: there are
	// sockets in it.
	Dir string
	Log Log
	// Binary is the p2pban program, and Filters the directory that holds the
	// filters for fail2ban.
	Binary, Filters string
	// Config is read by p2pban after the configuration with the built-in jails.
	Config string
}

// Agent is a running one.
type Agent struct {
	process *world.Process
	control *control.Client // nil unless p2pban
	log     string          // its own
}

// Account is what p2pban says of itself; of the others nothing is known.
type Account struct {
	Bans []control.Ban `json:"-"`
	// Jails are those of the bans, in their order.
	Jails    []string         `json:"jails"`
	Lines    int64            `json:"lines"`
	Events   int64            `json:"events"`
	Rejected map[string]int64 `json:"rejected"`
	// Alarms are those that stand at the end: their kinds, and in words.
	Alarms map[string]string `json:"alarms,omitempty"`
}

// Usage is what an agent needed in all.
type Usage struct {
	CPU      time.Duration `json:"cpu"`
	MaxBytes int64         `json:"max_bytes"` // of the largest of its processes
}

// Start starts an agent and returns when it reads the log. It gives nil for
// None.
func Start(ctx context.Context, k Kind, s Setup) (*Agent, error) {
	switch k {
	case None:
		return nil, nil
	case P2pban:
		return startP2pban(ctx, s)
	case Fail2ban:
		return startFail2ban(ctx, s, "documented")
	case Anchored:
		return startFail2ban(ctx, s, "anchored")
	}
	return nil, fmt.Errorf("no agent is called %q: there are %v", k, Kinds())
}

// Account asks p2pban what it did.
func (a *Agent) Account(ctx context.Context) (*Account, error) {
	if a == nil || a.control == nil {
		return nil, nil
	}
	var out Account
	err := a.control.Bans(ctx, "", func(b control.Ban) error {
		out.Bans, out.Jails = append(out.Bans, b), append(out.Jails, b.Jail)
		return nil
	})
	if err != nil {
		return nil, err
	}
	st, err := a.control.Status(ctx)
	if err != nil {
		return nil, err
	}
	out.Lines, out.Events, out.Rejected = st.Lines, st.Events, st.Rejected
	for _, alarm := range st.Alarms {
		if out.Alarms == nil {
			out.Alarms = map[string]string{}
		}
		out.Alarms[alarm.Kind] = alarm.What
	}
	return &out, nil
}

// Accused is how many lines of the victim's log the agent holds against a host,
// banned or not.
func (a *Agent) Accused(ctx context.Context, host netip.Addr) (int, error) {
	switch {
	case a == nil:
		return 0, nil
	case a.control == nil:
		return foundByFail2ban(a.log, host)
	}
	jails, err := a.control.Host(ctx, host.String())
	if err != nil {
		return 0, err
	}
	most := 0
	for _, j := range jails {
		for _, b := range []*control.Ban{j.Window, j.Ban} {
			if b == nil {
				continue
			}
			lines := 0
			for _, n := range b.Rules {
				lines += n
			}
			most = max(most, lines)
		}
	}
	return most, nil
}

// Stop ends the agent and tells what it used.
func (a *Agent) Stop() (Usage, error) {
	if a == nil {
		return Usage{}, nil
	}
	state, err := a.process.Stop()
	if state == nil {
		return Usage{}, err
	}
	return UsageOf(state), err
}

// startPatience is for starting, on however slow a machine.
const startPatience = 60 * time.Second

// await asks ok again and again until it says yes, the process ends or
// patience does. The file is the agent's own log, for the error.
func await(ctx context.Context, p *world.Process, log string, ok func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		err := ok(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.Ended():
			err = errors.Join(errors.New("it ended"), p.Wait())
		case <-ctx.Done():
			err = errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
			continue
		}
		text, _ := os.ReadFile(log) // only for the message
		return fmt.Errorf("%w; its log:\n%s", err, text)
	}
}
