package trial

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"

	"github.com/p2pban/p2pban/lab/measure"
	"github.com/p2pban/p2pban/lab/world"
)

// honestRate is that of the honest peers, all together; spread over their
// sources it stays below what a node with limits admits from each.
const honestRate = "2"

// attackerNice keeps attackers from taking the processor from those they attack: in
// the world outside they have a machine of their own.
var attackerNice = []string{"nice", "-n", "10"}

// startPeers starts the honest peers or the attacker; both tell what happens
// to them as lines of JSON.
func (s *stage) startPeers(honest bool, to *measure.Attempts) (*world.Process, error) {
	var args []string
	at := s.world.Attacker
	if honest {
		at = s.world.Honest
		args = []string{s.lab.Self, "honest", "-rate", honestRate}
		args = append(args, sources(world.HonestSources())...)
		args = append(args, targets(s.victim.addrs)...)
	} else {
		if s.behindNAT() {
			at = s.world.HomeAttacker
		}
		args = append(attackerNice, s.attack()...)
	}
	return s.startTeller(exec.Command(args[0], args[1:]...), at, to)
}

// startHome starts an honest peer behind the NAT from which the attack comes.
func (s *stage) startHome() (*world.Process, error) {
	args := append([]string{"honest", "-rate", "0.5"}, targets(s.reachedBy(netip.Addr.Is4))...)
	return s.startTeller(exec.Command(s.lab.Self, args...), s.world.HomeHonest, &s.home)
}

// startTeller starts a program that tells its attempts, and keeps the end of
// its stderr for the error.
func (s *stage) startTeller(cmd *exec.Cmd, at *netns, to *measure.Attempts) (*world.Process, error) {
	cmd.Stdout = measure.Lines(to.Hear)
	cmd.Stderr = &s.complaints
	return s.world.Start(at, cmd)
}

// attack is the attacker's command.
func (s *stage) attack() []string {
	t := s.trial
	args := []string{s.lab.Self, "attack", t.Attack, "-innocent", world.Innocent, "-seed", "1"}
	if t.Rate > 0 {
		args = append(args, "-rate", fmt.Sprint(t.Rate))
	}
	if s.victim.relay != "" {
		args = append(args, "-relay", s.victim.relay)
	}
	if s.sprayed() {
		args = append(args, sources(world.SprayedSources())...)
		return append(args, targets(s.reachedBy(netip.Addr.Is6))...)
	}
	return append(args, targets(s.reachedBy(netip.Addr.Is4))...)
}

// behindNAT, sprayed and relayed tell where an attack comes from, by its name.
func (s *stage) behindNAT() bool { return s.trial.Attack == "nat-mix" }
func (s *stage) sprayed() bool   { return s.trial.Attack == "spray64" }
func (s *stage) relayed() bool   { return s.trial.Attack == "relayed" }
func (s *stage) journalled() bool {
	return s.trial.Attack == "journal-split"
}

// hostileHost tells the addresses that are the attacker's alone.
func (s *stage) hostileHost(a netip.Addr) bool {
	return a == netip.MustParseAddr(world.Attacker4) || netip.MustParsePrefix(world.Attacker48).Contains(a)
}

// firstBan finds the first ban of the attacker, or of the NAT it comes from.
func (s *stage) firstBan(all []measure.Ban) *measure.Ban {
	for _, b := range all {
		a := b.Prefix.Addr()
		if s.behindNAT() && a == netip.MustParseAddr(world.NAT4) || !s.behindNAT() && s.hostileHost(a) {
			return &b
		}
	}
	return nil
}

// innocents are the bans of others than the attacker: whoever is accused
// wrongly. The NAT it shares is not among them: nothing tells its hosts apart.
func (s *stage) innocents(all []measure.Ban) []netip.Prefix {
	var wrong []netip.Prefix
	for _, b := range all {
		a := b.Prefix.Addr()
		if !s.hostileHost(a) && !(s.behindNAT() && a == netip.MustParseAddr(world.NAT4)) {
			wrong = append(wrong, b.Prefix)
		}
	}
	return wrong
}

// scapegoat is who would be accused in the attacker's place.
func (s *stage) scapegoat() netip.Addr {
	if s.relayed() {
		return netip.MustParseAddr(world.Relay4)
	}
	return netip.MustParseAddr(world.Innocent)
}

// reachedBy gives the victim's addresses of a family.
func (s *stage) reachedBy(family func(netip.Addr) bool) []string {
	var found []string
	for _, m := range s.victim.addrs {
		words := strings.Split(m, "/")
		if len(words) < 3 {
			continue
		}
		if a, err := netip.ParseAddr(words[2]); err == nil && family(a) {
			found = append(found, m)
		}
	}
	return found
}

func sources(all []netip.Addr) []string {
	var args []string
	for _, a := range all {
		args = append(args, "-source", a.String())
	}
	return args
}

func targets(all []string) []string {
	var args []string
	for _, m := range all {
		args = append(args, "-target", m)
	}
	return args
}

// lockedBuffer takes what several programs complain of.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// complaintsKept bounds a lockedBuffer; the first words say most.
const complaintsKept = 16 << 10

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if room := complaintsKept - l.b.Len(); room > 0 {
		l.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
