package report

import (
	"maps"
	"slices"
	"strings"
)

// width is that of running text in the pages.
const width = 96

// intro says what was done.
const intro = `A real libp2p node, real attackers and real honest peers each run in a network namespace of ` +
	`their own. The node is guarded by nobody, by p2pban with its built-in jails, or by fail2ban. Nothing is simulated: ` +
	`the node is the library as released, the bans are in the kernel, and what is banned or let through is ` +
	`counted by the kernel and by the peers themselves, not by the agent. Every trial has twelve honest IPv4 hosts ` +
	`and four IPv6 hosts. Together they connect twice a second, over TCP and QUIC; each asks for identify, pings, and leaves.`

// legend explains the columns.
const legend = `How to read the tables:

* **agent**: *fail2ban* has the filter and the jail of libp2p's documentation (90 lines in 3 minutes),
  *fail2ban-anchored* those of [docs/fail2ban.md](../fail2ban.md) (20 lines in 6 hours). With *none* nobody
  guards the node.
* **ban after**: the time from the first hostile packet until the ban was in the kernel's set. **lines** is
  how many lines about the attacker the log had by then. **line → kernel** is the time from the line that
  decided, as stamped in it, until the ban was in the set (fail2ban does not say which line decided, so there
  it is from the last one).
* **hostile**: how many of the attacker's connections the node served, of all that it tried until the trial
  ended. **a second** is how many were served per second while there was no ban. **after the ban** counts those
  begun after it.
* **honest**: the visits that succeeded before, during and after the attack, of all that were tried, and the
  median time of a visit.
* **innocents**: the banned addresses that are not the attacker's. Where nobody innocent was banned yet, it is
  how many lines the agent held against the address that forged records name, or against the relay. (The
  forgers here try all their ways in turn; one who knows the filter would send only what works.)
* **agent's** and **node's**: the processor time of each over the whole trial, and the agent's peak memory.

A trial with an agent ends a few seconds after its first ban. Everything shares two processors, so the
attacker, which runs at a lower priority, takes more time from the node than its connections cost.

`

// Wrap breaks a text into lines of the page's width, each behind indent.
func Wrap(text, indent string) string {
	var out strings.Builder
	column := 0
	for _, w := range strings.Fields(text) {
		switch {
		case column == 0:
			out.WriteString(indent)
			column = len(indent)
		case column+1+len(w) > width:
			out.WriteString("\n" + indent)
			column = len(indent)
		default:
			out.WriteString(" ")
			column++
		}
		out.WriteString(w)
		column += len(w)
	}
	return out.String()
}

// sorted gives the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
