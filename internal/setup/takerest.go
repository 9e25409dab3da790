package setup

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/p2pban/p2pban/jail"
)

// ignoreip takes over who is never banned.
func (j *move) ignoreip() {
	v, _ := j.get("ignoreip")
	if clean(v.raw) != v.raw {
		j.note("ignoreip", Fault, "", inlineComment)
	}
	var kept, needless, names []string
	for _, entry := range strings.FieldsFunc(clean(v.raw), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }) {
		mine, keep := ignoreEntry(entry)
		switch {
		case keep:
			kept = append(kept, mine)
		case mine != "":
			needless = append(needless, entry)
		default:
			names = append(names, entry)
		}
	}
	if len(kept) > 0 {
		j.note("ignoreip", Taken, "ignoreip = "+array(kept), "")
		for _, k := range kept {
			if !slices.Contains(j.m.ignored, k) {
				j.m.ignored = append(j.m.ignored, k)
			}
		}
		for _, t := range j.tables {
			t.set("ignoreip", array(kept), "")
		}
	}
	if len(needless) > 0 {
		j.note("ignoreip", Dropped, "", strings.Join(needless, ", ")+": the machine's own addresses are never banned in any case")
	}
	if len(names) > 0 {
		j.note("ignoreip", Dropped, "", strings.Join(names, ", ")+": only addresses, networks and files that can be read; names are not resolved, for whoever answers for the name would decide who is never banned")
	}
	if command := j.text("ignorecommand"); command != "" {
		j.note("ignorecommand", Dropped, "", "no program is run for a line; a file of addresses (ignoreip = [\"file:PATH\"]) is read again at each reload")
	}
}

// ignoreEntry is an entry as p2pban writes it; not to keep, but not empty, if it
// needs no mention.
func ignoreEntry(entry string) (mine string, keep bool) {
	if path, ok := strings.CutPrefix(entry, "file:"); ok {
		// fail2ban has file:relative and file://absolute too.
		path = filepath.Clean(strings.TrimPrefix(path, "//"))
		f, err := os.Open(path)
		if err != nil || !filepath.IsAbs(path) {
			return "", false
		}
		f.Close()
		return "file:" + path, true
	}
	if p, err := netip.ParsePrefix(entry); err == nil {
		entry = p.Masked().String() // 127.0.0.1/8 is usual there
		if p.Addr().IsLoopback() {
			return entry, false
		}
	}
	if a, err := netip.ParseAddr(entry); err == nil && a.IsLoopback() {
		return entry, false
	}
	if _, _, err := jail.ParseIgnore(entry); err != nil {
		return "", false
	}
	return entry, true
}

// doors takes over what banned hosts are kept from.
func (j *move) doors() {
	actions := j.actions()
	if !j.own("port") || slices.ContainsFunc(actions, func(a string) bool { return strings.Contains(a, "allports") }) {
		j.m.allPorts = true
		if j.own("port") {
			j.note("port", Dropped, "", "its action bans from all ports")
		}
	} else if ports, why := readPorts(j.text("port")); why != "" {
		j.m.allPorts = true
		j.note("port", Changed, "", why+"; a banned host reaches no port")
	} else {
		j.m.ports = append(j.m.ports, ports...)
		j.note("port", Taken, "[firewall] ports = ["+strings.Join(ports, ", ")+"]", "for all jails, if each of them names ports")
	}
	j.protocol()
	for _, a := range actions {
		if !blocks.MatchString(a) {
			j.note("action", Dropped, "", a+": p2pban runs no programs; `p2pban events --json` is a stream that yours can read")
		}
	}
	if len(actions) == 0 || slices.ContainsFunc(actions, blocks.MatchString) {
		j.note("action", Changed, `[firewall] backend = "auto"`, "bans are set by p2pban itself, in a table of its own")
	}
}

func (j *move) protocol() {
	switch p := strings.ToLower(j.text("protocol")); {
	case !j.own("protocol"):
		j.m.anyProtocol = true
		j.items = append(j.items, Item{Setting: "protocol", What: Changed,
			Why: "fail2ban's default is tcp, under which a banned host goes on by QUIC; p2pban blocks tcp and udp"})
	case p == "tcp" || p == "udp":
		j.m.protocols = append(j.m.protocols, p)
		j.note("protocol", Taken, "[firewall] protocols = "+array([]string{p}), "for all jails, if each of them names one")
	default:
		j.m.anyProtocol = true
		j.note("protocol", Taken, "", "tcp and udp are the default")
	}
}

// blocks are the actions of fail2ban that set bans in a firewall (action.d).
var blocks = regexp.MustCompile(`^(iptables|nftables|firewallcmd|ufw|shorewall|ipset|pf|npf|ipfw|bsd-ipfw|ipfilter|hostsdeny|route|osx|symbiosis)`)

// actionName is the name at the beginning of a line of action = a[x=1] b.
var actionName = regexp.MustCompile(`(?m)^[ \t]*([A-Za-z0-9_.-]+)`)

// actions are the names of the jail's actions.
func (j *move) actions() []string {
	v, _ := j.get("action")
	var names []string
	for _, m := range actionName.FindAllStringSubmatch(v.raw, -1) {
		names = append(names, m[1])
	}
	return names
}

// readPorts reads "4001,http"; why is set where it means more than can be listed.
func readPorts(s string) (ports []string, why string) {
	for _, p := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		if strings.ContainsAny(p, ":-") || p == "all" || p == "any" {
			return nil, "ports stand singly in p2pban, and " + p + " is a range"
		}
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			port, lookupErr := net.LookupPort("tcp", p)
			if lookupErr != nil {
				return nil, p + " is no port that this machine knows"
			}
			n = uint64(port)
		}
		if n == 0 {
			return nil, "0 is every port"
		}
		ports = append(ports, strconv.FormatUint(n, 10))
	}
	if len(ports) == 0 {
		return nil, "it names none"
	}
	return ports, ""
}

// dropped are settings that a jail may have, and why p2pban has none such.
var dropped = map[string]string{
	"ignoreself":  "the machine's own addresses are never banned",
	"ignorecache": "there is no command whose answers would need one",
	"usedns":      "a name in a log line is never resolved: the peer chose it",
	"logencoding": "lines are bytes; what is no UTF-8 stays as it is",
	"logtimezone": "the time is the journal's, or the line's with its offset",
	"datepattern": "the time is read where the node's logger writes it",
	"maxlines":    "a record is one line",
	"maxmatches":  "what is remembered is bounded by maxevents",
	"mode":        "rules take the place of the filter and its modes",
	"chain":       "p2pban's table has chains of its own, before connection tracking",
	"banaction":   "bans are set by p2pban itself: [firewall] backend",
	"blocktype":   "packets of a banned host are dropped, without an answer",
	"prefregex":   "a pattern is never taken over",
}

// others says of every other setting of the jail that it was not taken over.
func (j *move) others() {
	told := map[string]bool{"enabled": true, "action": true, "backend": true, "port": true, "protocol": true}
	for _, i := range j.items {
		told[i.Setting] = true
	}
	for _, option := range slices.Sorted(maps.Keys(j.m.ini.sections[j.section])) {
		if told[option] || strings.HasPrefix(option, "known/") || strings.HasPrefix(option, "bantime.") {
			continue
		}
		why, ok := dropped[option]
		if !ok {
			why = fmt.Sprintf("p2pban has no setting like %s", option)
		}
		j.note(option, Dropped, "", why)
	}
}
