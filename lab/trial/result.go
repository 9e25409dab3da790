package trial

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/attack"
	"github.com/p2pban/p2pban/lab/measure"
	"github.com/p2pban/p2pban/lab/world"
)

// Result is what came of a trial. Times between two things are in seconds.
type Result struct {
	Trial   Trial  `json:"trial"`
	Version string `json:"victim_version"`

	// BanAfter is from the first hostile packet to the first ban of the
	// attacker in the kernel; negative: there was none.
	BanAfter float64 `json:"ban_after_s"`
	// DecidedAfter is from the time of the log line that decided to the ban in
	// the kernel; negative where it isn't known.
	DecidedAfter float64 `json:"decided_after_s"`
	// LinesToBan are the lines of the log with the attacker's address up to the
	// ban (up to the end, if there was none), LinesAfter those after it.
	LinesToBan int `json:"lines_to_ban"`
	LinesAfter int `json:"lines_after"`
	// LogLines is how many lines the node wrote in all.
	LogLines int `json:"log_lines"`

	// Offered and Reached are the connections from the attacker's addresses
	// that came and those that nobody kept out, as the kernel counted.
	Offered int `json:"offered"`
	Reached int `json:"reached"`
	// Hostile is the attacker's account: Served are connections that the node
	// took the trouble of, AfterBan what became of those begun after the ban.
	Hostile  measure.Summary `json:"hostile"`
	AfterBan measure.Summary `json:"hostile_after_ban"`
	// Seconds is how long the attack went on.
	Seconds float64 `json:"attack_s"`

	// The honest peers before, during and after the attack; Home is the one
	// behind the attacker's NAT, during it.
	Before measure.Summary `json:"honest_before"`
	During measure.Summary `json:"honest_during"`
	After  measure.Summary `json:"honest_after"`
	Home   measure.Summary `json:"honest_home"`
	// HonestOffered and HonestReached are their connections as the kernel
	// counted them: nobody is to keep any out.
	HonestOffered int `json:"honest_offered"`
	HonestReached int `json:"honest_reached"`

	// Innocents are bans of addresses that are not the attacker's.
	Innocents []netip.Prefix `json:"innocents"`
	// Accused is how many lines the agent held against the innocent whom
	// injections name, or against the relay that the attack came through.
	Accused int `json:"accused"`
	// Shared says that the NAT was banned with the attacker in it.
	Shared bool `json:"shared,omitempty"`

	AgentUsage  agent.Usage    `json:"agent_usage"`
	VictimUsage agent.Usage    `json:"victim_usage"`
	Account     *agent.Account `json:"account,omitempty"`

	// Course is the attack second by second.
	Course []Second `json:"course"`
}

// Second is one second of a trial; T counts from the first hostile packet.
type Second struct {
	T      int `json:"t"`
	Served int `json:"served"` // hostile
	Failed int `json:"failed"` // hostile
	// Honest are how many honest visits began, HonestMillis how long those that
	// succeeded took in the middle, 0 if none did.
	Honest       int     `json:"honest"`
	HonestServed int     `json:"honest_served"`
	HonestMillis float64 `json:"honest_ms"`
}

func (s *stage) result() (*Result, error) {
	hostile, err := s.hostile.All()
	if err != nil {
		return nil, err
	}
	honest, err := s.honest.All()
	if err != nil {
		return nil, err
	}
	home, err := s.home.All()
	if err != nil {
		return nil, err
	}
	if len(hostile) == 0 || len(honest) == 0 {
		return nil, fmt.Errorf("%d hostile and %d honest attempts: nothing was measured%s", len(hostile), len(honest), s.tail())
	}
	first := hostile[0].At
	bans := s.monitor.Bans()
	r := &Result{
		Trial: s.trial, Version: s.victim.version,
		BanAfter: -1, DecidedAfter: -1,
		Offered: measure.Of(s.counts.Offered, s.from), Reached: measure.Of(s.counts.Reached, s.from),
		Hostile:       measure.Summarise(hostile, first, s.done),
		Seconds:       s.over.Sub(first).Seconds(),
		Before:        measure.Summarise(honest, s.began, first),
		During:        measure.Summarise(honest, first, s.over),
		After:         measure.Summarise(honest, s.over, s.done),
		Home:          measure.Summarise(home, first, s.over),
		HonestOffered: measure.Of(s.counts.Offered, isHonest), HonestReached: measure.Of(s.counts.Reached, isHonest),
		Innocents: s.innocents(bans), Accused: s.accused,
		AgentUsage: s.agentUsage, VictimUsage: s.victimUsage, Account: s.account,
		Course: course(hostile, honest, first, s.began, s.done),
	}
	return r, s.aboutBan(r, bans, hostile, first)
}

// aboutBan fills in what depends on the ban of the attacker and on the log.
func (s *stage) aboutBan(r *Result, bans []measure.Ban, hostile []attack.Attempt, first time.Time) error {
	text, err := s.logText()
	if err != nil {
		return err
	}
	r.LogLines = strings.Count(text, "\n")
	lines := measure.Mentions(text, s.asLogged()...)
	ban := s.firstBan(bans)
	if ban == nil {
		r.LinesToBan = len(lines)
		return nil
	}
	r.BanAfter = ban.At.Sub(first).Seconds()
	r.Shared = s.behindNAT()
	r.AfterBan = measure.Summarise(hostile, ban.At, s.done)
	r.LinesToBan = measure.Before(lines, ban.At)
	r.LinesAfter = len(lines) - r.LinesToBan
	if at := s.decided(*ban, lines); !at.IsZero() {
		r.DecidedAfter = ban.At.Sub(at).Seconds()
	}
	return nil
}

// decided gives the time of the line that a ban rests on: p2pban tells it; of
// others we take the last one before the ban, which is their best case.
func (s *stage) decided(ban measure.Ban, lines []measure.Line) time.Time {
	if s.account != nil {
		for _, b := range s.account.Bans {
			if b.Prefix.Overlaps(ban.Prefix) {
				return measure.Time(b.Line)
			}
		}
	}
	if n := measure.Before(lines, ban.At); n > 0 {
		return lines[n-1].At
	}
	return time.Time{}
}

// asLogged are the words by which nodes write the addresses that the attack
// comes from.
func (s *stage) asLogged() []string {
	switch {
	case s.behindNAT():
		return []string{"/ip4/" + world.NAT4 + "/"}
	case s.relayed():
		return []string{"/ip4/" + world.Relay4 + "/"}
	case s.sprayed():
		return []string{"/ip6/2001:db8:50:1:"}
	}
	return []string{"/ip4/" + world.Attacker4 + "/", "/ip6/" + world.Attacker6 + "/"}
}

// from tells the addresses whose connections are counted as hostile.
func (s *stage) from(a netip.Addr) bool {
	switch {
	case s.behindNAT():
		return a == netip.MustParseAddr(world.NAT4)
	case s.relayed():
		return a == netip.MustParseAddr(world.Relay4)
	}
	return s.hostileHost(a)
}

func isHonest(a netip.Addr) bool { return slices.Contains(world.HonestSources(), a) }

// slug names a trial as a directory.
func (s *stage) slug() string {
	limits := "off"
	if s.trial.Limits {
		limits = "on"
	}
	return strings.Join([]string{s.trial.Victim, limits, s.trial.Attack, string(s.trial.Agent)}, "_")
}
