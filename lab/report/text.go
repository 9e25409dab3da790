package report

import (
	"maps"
	"slices"
	"strings"
)

// width is that of running text in the pages.
const width = 96

// intro says what was done.
const intro = `A real libp2p node, real attackers, real honest peers, each in a network namespace of its own, and ` +
	`between them nothing, p2pban with its built-in jails, or fail2ban. Nothing is simulated: the node is the ` +
	`library as released, the bans stand in the kernel, and what is counted as banned or as let through is ` +
	`counted by the kernel and by the peers themselves, not by the agent. Every trial has twelve honest hosts of IPv4 ` +
	`and four of IPv6, which connect twice a second in all over TCP and QUIC, ask for identify, ping, and go.`

// legend explains the columns.
const legend = `How to read the tables:

* **agent**: *fail2ban* has the filter and the jail of libp2p's documentation (90 lines in 3 minutes),
  *fail2ban-anchored* those of [docs/fail2ban.md](../fail2ban.md) (20 lines in 6 hours); *none* is nobody.
* **ban after**: from the first hostile packet to the element in the kernel's set. **lines** is how
  many lines about the attacker the log had by then; **line → kernel** is from the time in the line that
  decided to the element (for fail2ban, which does not say which line decided, from the last one).
* **hostile**: connections that the node served, of those tried, until the trial's end, and how many a
  second while they were not banned. **after the ban** counts those begun after it.
* **honest**: visits that succeeded before, during and after the attack, and the middle one's time.
* **innocents**: bans of addresses that are not the attacker's, or how many lines the agent held
  against the address that forged records name, or against the relay, if that was not yet enough for a
  ban. (Forgers here try all their ways in turn; one who knows the filter sends the one that serves.)
* **agent's** and **node's** processor time of the whole trial, and the agent's memory at most.

A trial with an agent ends a few seconds after its first ban. All share two processors, so an attacker takes
time from the node beyond what it costs it; it runs at a lower priority.

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
