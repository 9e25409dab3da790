package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/attack"
	"github.com/p2pban/p2pban/lab/trial"
	"github.com/p2pban/p2pban/lab/victims"
)

// How long a trial of the matrix goes on. An attack on a node that nobody
// guards shows in little time what it is; so does one on a filter that matches
// nothing. Where fail2ban's documented filter matches, its jail wants 90 lines,
// which is 9000 connections.
const (
	calm      = 2 * time.Second
	unguarded = 6 * time.Second
	guarded   = 15 * time.Second
	patient   = 40 * time.Second
)

// chapter is the trials on one victim.
type chapter struct {
	victim  victims.Kind
	limits  bool
	logging string
	attacks map[agent.Kind][]string
}

// anchored are the attacks that are tried against fail2ban's anchored filter.
var anchored = []string{"churn", "quic-churn", "spray64", "handshake-junk", "inject-alpn"}

// kuboKind is the victim that is there only if its program is given.
const kuboKind victims.Kind = "kubo"

// kuboChapter is what is run on Kubo.
func kuboChapter() chapter {
	return chapter{victim: kuboKind, attacks: map[agent.Kind][]string{
		agent.None:   {"churn", "handshake-junk"},
		agent.P2pban: {"churn", "quic-churn", "handshake-junk", "ws-junk", "inject-alpn", "inject-cert", "inject-identify"},
	}}
}

// matrix is what `run` runs when it is not told otherwise, on the victims that
// the lab builds itself.
func matrix() []chapter {
	floods := []string{"churn", "quic-churn", "spray64", "handshake-junk", "ws-junk"}
	forgers := []string{"inject-alpn", "inject-cert", "inject-identify", "journal-split"}
	old := []string{"churn", "handshake-junk", "relayed", "inject-alpn", "inject-cert", "journal-split"}
	return []chapter{
		{victim: victims.Go, attacks: map[agent.Kind][]string{
			agent.None:     floods,
			agent.P2pban:   append(append([]string{"nat-mix", "relayed"}, floods...), forgers...),
			agent.Fail2ban: {"churn", "inject-alpn", "inject-cert"},
			agent.Anchored: anchored,
		}},
		{victim: victims.Go, limits: true, attacks: map[agent.Kind][]string{
			agent.None:   {"churn", "quic-churn", "handshake-junk", "slow-churn"},
			agent.P2pban: {"churn", "quic-churn", "handshake-junk", "slow-churn"},
		}},
		{victim: victims.GoOld, attacks: map[agent.Kind][]string{
			agent.P2pban: old, agent.Fail2ban: {"churn", "relayed", "inject-alpn", "inject-cert", "journal-split"},
		}},
		{victim: victims.GoOld, logging: "warn,canonical-log=info", attacks: map[agent.Kind][]string{
			agent.P2pban: {"inject-identify"}, agent.Fail2ban: {"inject-identify"},
		}},
		{victim: victims.JS, limits: true, attacks: map[agent.Kind][]string{
			agent.None: {"churn"}, agent.P2pban: {"churn", "handshake-junk", "inject-identify"},
		}},
		{victim: victims.Rust, limits: true, attacks: map[agent.Kind][]string{
			agent.None: {"handshake-junk"}, agent.P2pban: {"churn", "handshake-junk", "inject-identify"},
		}},
	}
}

// trials gives a chapter's, attack by attack.
func (c chapter) trials() []trial.Trial {
	var all []trial.Trial
	for _, a := range attackNames() {
		for _, k := range agent.Kinds() {
			if slices.Contains(c.attacks[k], a) {
				all = append(all, trial.Trial{
					Victim: string(c.victim), Limits: c.limits, Attack: a, Agent: k,
					Before: calm, During: during(c.victim, k), After: calm, Logging: c.logging,
				})
			}
		}
	}
	return all
}

func during(v victims.Kind, k agent.Kind) time.Duration {
	switch {
	case k == agent.None:
		return unguarded
	case k == agent.Fail2ban && v == victims.GoOld:
		return patient
	}
	return guarded
}

func attackNames() []string {
	var names []string
	for _, a := range attack.All() {
		if a.Name != "honest" {
			names = append(names, a.Name)
		}
	}
	return names
}

// choice narrows the matrix; empty lists take all.
type choice struct {
	victims, attacks, agents []string
	during                   time.Duration
	kubo                     bool
}

// plan gives the trials to run: those of the matrix, or, where it has none of
// these, each attack named with each victim and agent, without the node's
// limits.
func (c choice) plan() ([]trial.Trial, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	var all []trial.Trial
	chapters := matrix()
	if c.kubo {
		chapters = append(chapters, kuboChapter())
	}
	for _, ch := range chapters {
		for _, t := range ch.trials() {
			if takes(c.victims, t.Victim) && takes(c.attacks, t.Attack) && takes(c.agents, string(t.Agent)) {
				if c.during > 0 {
					t.During = c.during
				}
				all = append(all, t)
			}
		}
	}
	if len(all) == 0 {
		all = c.cross()
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the matrix has no trial of these; `lab list` shows it, and one that is not in it needs -attack, -victim and -agent")
	}
	return all, nil
}

func (c choice) cross() []trial.Trial {
	var all []trial.Trial
	for _, v := range c.victims {
		for _, a := range c.attacks {
			for _, k := range c.agents {
				t := trial.Trial{
					Victim: v, Attack: a, Agent: agent.Kind(k),
					Before: calm, During: during(victims.Kind(v), agent.Kind(k)), After: calm,
				}
				if c.during > 0 {
					t.During = c.during
				}
				all = append(all, t)
			}
		}
	}
	return all
}

func (c choice) check() error {
	var kinds, agents []string
	for _, k := range victims.Kinds() {
		kinds = append(kinds, string(k))
	}
	if c.kubo {
		kinds = append(kinds, string(kuboKind))
	}
	for _, k := range agent.Kinds() {
		agents = append(agents, string(k))
	}
	for _, l := range []struct {
		flag         string
		chosen, good []string
	}{{"victim", c.victims, kinds}, {"attack", c.attacks, attackNames()}, {"agent", c.agents, agents}} {
		for _, name := range l.chosen {
			if !slices.Contains(l.good, name) {
				return fmt.Errorf("-%s %s: there are %s", l.flag, name, strings.Join(l.good, ", "))
			}
		}
	}
	return nil
}

func takes(chosen []string, name string) bool {
	return len(chosen) == 0 || slices.Contains(chosen, name)
}
