package report

import (
	"fmt"
	"strings"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/trial"
)

// note says of a trial with p2pban what its row does not: why there was no
// ban, or that it hit more than the attacker.
func note(r *trial.Result) string {
	if r.Trial.Agent != agent.P2pban {
		return ""
	}
	head := "**" + r.Trial.Attack + ".** "
	switch {
	case r.Shared:
		return head + fmt.Sprintf("The attacker and an honest peer share the NAT's address, and therefore the ban. Of that "+
			"peer's visits during the attack %d of %d succeeded. Nothing in the log tells the two apart, for the attacker "+
			"comes with a new peer id each time, as every new peer does. List known NATs in `ignoreip`.", r.Home.Served, r.Home.Tried)
	case r.BanAfter >= 0 && len(r.Innocents) == 0:
		return ""
	case r.Account != nil:
		return head + why(r)
	}
	return ""
}

// why says why p2pban banned nobody, with what it counted.
func why(r *trial.Result) string {
	st := r.Account
	counted := fmt.Sprintf("Of the lines read (%d) p2pban took %d for events and refused %s.", st.Lines, st.Events, refused(st.Rejected))
	for _, kind := range sorted(st.Alarms) {
		counted += fmt.Sprintf(" It raised the alarm `%s`: %s.", kind, strings.TrimSuffix(st.Alarms[kind], "."))
	}
	switch {
	case len(r.Innocents) > 0:
		return "**Here p2pban was deceived** and banned whom the attacker named. " + counted
	case r.Trial.Attack == "relayed":
		return "No ban, and that is right: the log has only the relay's address, and others come through the same relay. " +
			counted + " A relay can limit its clients, and a node can limit the circuits that it accepts."
	case st.Alarms["forgeable"] != "":
		return "No ban: at this log level any peer can write whole lines into the log, and p2pban believes nothing on such a stream. " + counted
	case st.Rejected["cut"] > 0 && st.Events == 0:
		return "No ban: every line is so long that journald cuts it, and p2pban believes neither half of a cut line. " + counted +
			" So nobody is accused wrongly, but nobody rightly either."
	case r.Trial.Victim == "rust":
		return "No ban: a peer that finishes the handshake leaves no line. rust-libp2p itself prints an address only if an inbound upgrade " +
			"fails. Printing established connections is left to the application (p2pban knows the lines of some), " +
			"and limiting them to libp2p-connection-limits. " + counted
	case r.Trial.Attack == "slow-churn":
		return "No ban in so short a time: at 0.1 connections a second, half of what the node admits, there is a line every 1000 s. " +
			"`libp2p-churn` bans at 20 lines in 6 hours, and 21.6 are expected in that time: at any moment two windows in three hold enough for a ban. " + counted
	case r.Trial.Limits && strings.HasPrefix(r.Trial.Victim, "go"):
		return fmt.Sprintf("No ban in so short a time, for the node guards itself: of %d connections that were tried it served %d, and it logs one in a "+
			"hundred of those. It admits 0.2 a second from one address (go-libp2p v0.42 and later) and logs nothing about those "+
			"that it refuses: %s ([jails.md](../jails.md)). %s", r.Hostile.Tried, r.Hostile.Served, atLimit(r.Trial.Attack), counted)
	case st.Events == 0:
		return "No ban: the node wrote no record that names the attacker. " + counted
	}
	return "No ban: maxretry was not reached. " + counted
}

// atLimit says what becomes of an attack that goes on at the rate the node
// admits; the figures are those of docs/jails.md.
func atLimit(attack string) string {
	if attack == "handshake-junk" || attack == "ws-junk" || strings.HasPrefix(attack, "inject-") && attack != "inject-identify" {
		return "at that rate a failed handshake is logged every 500 s, and `libp2p-handshake` bans at 10 lines in 3 hours, after 1 h 23 min on average"
	}
	return "at that rate there is a line every 500 s, and `libp2p-churn` bans at 20 lines in 6 hours, after 2 h 47 min on average"
}

func refused(by map[string]int64) string {
	var all []string
	for _, reason := range sorted(by) {
		all = append(all, fmt.Sprintf("%d as *%s*", by[reason], reason))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
