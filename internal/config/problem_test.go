package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/parser"
)

// TestProblems states what is said of each fault: all of them at once, in the
// order of the files, with line and column.
func TestProblems(t *testing.T) {
	const jailOK = "[jail.libp2p-flood]\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"many at once", map[string]string{"p2pban.toml": `[source.kubo]
uint = "ipfs.service"
[jail.libp2p-flood]
findtime = 3
  maxretry = "many"
bantime = "10 minutes"
ignoreip = [
  "192.0.2.1", # fine
  "192.0.2.0/33",
]
`}, `
p2pban.toml:1:1: source.kubo: does not say where the lines are; write unit = "ipfs.service", file = "/var/log/ipfs/*.log" or container = "kubo"
p2pban.toml:2:1: source.kubo.uint: unknown key; did you mean "unit"?
p2pban.toml:4:1: jail.libp2p-flood.findtime: 3 has no unit; write "3s" for seconds, or use m, h, d or w
p2pban.toml:5:3: jail.libp2p-flood.maxretry: expected a whole number, found a string
p2pban.toml:6:1: jail.libp2p-flood.bantime: "10 minutes" has an unknown unit at " minutes"; units are ms, s, m, h, d and w
p2pban.toml:9:3: jail.libp2p-flood.ignoreip: "192.0.2.0/33": expected an address (192.0.2.7), a network (192.0.2.0/24), a multiaddr (/ip4/192.0.2.7) or a peer id (12D3KooW…)`},
		{"unknown tables and habits of writing", map[string]string{"p2pban.toml": jailOK + `find_time = "3m"
MaxRetry = 3
colour = "red"
[jails.x]
[firewal]
`}, `
p2pban.toml:2:1: jail.libp2p-flood.find_time: unknown key; did you mean "findtime"?
p2pban.toml:3:1: jail.libp2p-flood.MaxRetry: unknown key; did you mean "maxretry"?
p2pban.toml:4:1: jail.libp2p-flood.colour: unknown key; there are rules, findtime, maxretry, bantime, ignoreip, factor, maxbantime, memory, ipv6prefix, widen, minpeers, natpeers, guard, guardshare, guardleast, guardrate, maxhosts, maxevents, maxbans
p2pban.toml:5:1: jails: unknown key; did you mean "jail"?
p2pban.toml:6:1: firewal: unknown key; did you mean "firewall"?`},
		{"journal entries that every user can write", map[string]string{"p2pban.toml": jailOK + `[source.a]
match = "CONTAINER_NAME=kubo"
[source.b]
match = ["SYSLOG_IDENTIFIER=ipfs", "_COMM=ipfs"]
[source.c]
userunit = "ipfs.service"
[source.d]
userunit = "ipfs.service"
match = "SYSLOG_IDENTIFIER=ipfs"
[source.e]
match = ["CONTAINER_NAME=kubo", "_UID=0"]
[source.f]
unit = "ipfs.service"
match = "SYSLOG_IDENTIFIER=ipfs"
[source.g]
match = "CONTAINER_NAME=kubo"
trust = true
`}, `
p2pban.toml:3:1: source.a.match: every user of this machine may write entries with any CONTAINER_NAME, and have anybody banned; add who the writer is, which journald itself notes, such as match = ["CONTAINER_NAME=kubo", "_UID=0"], or name its unit
p2pban.toml:5:1: source.b.match: every user of this machine may write entries with any SYSLOG_IDENTIFIER, and have anybody banned; add who the writer is, which journald itself notes, such as match = ["SYSLOG_IDENTIFIER=ipfs", "_UID=0"], or name its unit
p2pban.toml:7:1: source.c.userunit: every user of this machine may have a unit of that name, and have anybody banned by what it logs; say whose is meant by his number (id -u NAME): match = "_UID=1000"
p2pban.toml:9:1: source.d.userunit: every user of this machine may have a unit of that name, and have anybody banned by what it logs; say whose is meant by his number (id -u NAME): match = "_UID=1000"`},
		{"a rule nobody has", map[string]string{"p2pban.toml": jailOK + `rules = ["go-libp2p/*", "go-libp2p/conection"]
`}, `
p2pban.toml:2:25: jail.libp2p-flood.rules: no rule "go-libp2p/conection" (did you mean "go-libp2p/connection"?); go-libp2p has RULES`},
		{"rules none of which is on by default", map[string]string{"p2pban.toml": `[jail.mine]
rules    = ["nwaku/*"]
findtime = "1m"
maxretry = 10
bantime  = "1h"
`}, `
p2pban.toml:2:1: jail.mine.rules: takes in no rule, so the jail would count nothing: what it names is off by default; name each rule in full, such as nwaku/colocation`},
		{"a jail of one's own must be whole", map[string]string{"p2pban.toml": "[jail.mine]\nmaxretry = 0\n"}, `
p2pban.toml:1:1: jail.mine.rules: is missing; a jail needs it, unless it is a built-in one (BUILTIN)
p2pban.toml:1:1: jail.mine.findtime: is missing; a jail needs it, unless it is a built-in one (BUILTIN)
p2pban.toml:1:1: jail.mine.bantime: is missing; a jail needs it, unless it is a built-in one (BUILTIN)
p2pban.toml:2:1: jail.mine.maxretry: 0: expected 1 to 281474976710656`},
		{"a built-in jail with a slip in its name", map[string]string{"p2pban.toml": "[jail.libp2p-flod]\n[jail.libp2p-chrn]\nmaxretry = 100\nbantime = \"1h\"\n"}, `
p2pban.toml:1:1: jail.libp2p-flod: is no built-in jail, and has no rules, findtime, maxretry, bantime; did you mean "libp2p-flood"?
p2pban.toml:2:1: jail.libp2p-chrn: is no built-in jail, and has no rules, findtime; did you mean "libp2p-churn"?`},
		{"no jail", map[string]string{"p2pban.toml": "[source.kubo]\nunit = \"ipfs.service\"\n"}, `
p2pban.toml:1:1: jail: no jail is named, so nothing would be judged; add [jail.NAME]; built in, needing no keys, are BUILTIN`},
		{"what a source reads", map[string]string{"p2pban.toml": jailOK + `[source.both]
unit = "a.service"
file = "/a.log"
[source.relative]
file = ["/a.log", "logs/a.log", "/x/[.log"]
[source.dir]
file = "/a.log"
directory = "/var/log/journal"
[source."a b"]
unit = ""
format = "slog-txt"
`}, `
p2pban.toml:3:1: source.both.unit: a source with file can't have unit; make two sources of it
p2pban.toml:6:19: source.relative.file: "logs/a.log" is not an absolute path
p2pban.toml:6:33: source.relative.file: "/x/[.log" is no valid glob: syntax error in pattern
p2pban.toml:9:1: source.dir.directory: a source with file can't have directory; make two sources of it
p2pban.toml:10:1: source."a b": "a b" is no name; use at most 64 letters, digits, '-', '_' and '.'
p2pban.toml:11:1: source."a b".unit: is empty
p2pban.toml:12:1: source."a b".format: no format is called "slog-txt"; did you mean "slog-text"?`},
		{"firewall and daemon", map[string]string{"p2pban.toml": jailOK + `[firewall]
backend = "nftable"
ports = [4001, 0, "4001", 65536]
protocols = ["quic"]
[daemon]
socket = "p2pban.sock"
state = 1
`}, `
p2pban.toml:3:1: firewall.backend: no backend is called "nftable"; did you mean "nftables"?
p2pban.toml:4:16: firewall.ports: expected a port number from 1 to 65535, found a whole number; for example ports = [4001]
p2pban.toml:4:19: firewall.ports: expected a port number from 1 to 65535, found a string; for example ports = [4001]
p2pban.toml:4:27: firewall.ports: expected a port number from 1 to 65535, found a whole number; for example ports = [4001]
p2pban.toml:5:14: firewall.protocols: protocol "quic": want tcp or udp
p2pban.toml:7:1: daemon.socket: "p2pban.sock" is not an absolute path
p2pban.toml:8:1: daemon.state: expected a string, found a whole number`},
		{"tables that are none", map[string]string{"p2pban.toml": "source = 1\n[jail]\nlibp2p-flood = true\n"}, `
p2pban.toml:1:1: source: expected a table, found a whole number; write [source] on a line of its own
p2pban.toml:3:1: jail.libp2p-flood: expected a table, found true or false; write [jail.libp2p-flood] on a line of its own`},
		{"the jail's own judgement", map[string]string{"p2pban.toml": jailOK + "factor = 0.5\nmaxbantime = \"1m\"\nipv6prefix = 16\nguardshare = 2\n[jail.manual]\n"}, `
p2pban.toml:2:1: jail.libp2p-flood.factor: 0.5: expected 1 (no growth) or more
p2pban.toml:3:1: jail.libp2p-flood.maxbantime: 1m0s: expected at least bantime (10m0s)
p2pban.toml:4:1: jail.libp2p-flood.ipv6prefix: 16: expected 32 to 128 bits
p2pban.toml:5:1: jail.libp2p-flood.guardshare: 2: expected a share above 0 and up to 1
p2pban.toml:6:1: jail.manual.rules: is missing; a jail needs it, unless it is a built-in one (BUILTIN)
p2pban.toml:6:1: jail.manual.findtime: is missing; a jail needs it, unless it is a built-in one (BUILTIN)
p2pban.toml:6:1: jail.manual.maxretry: is missing; a jail needs it, unless it is a built-in one (BUILTIN)
p2pban.toml:6:1: jail.manual.bantime: is missing; a jail needs it, unless it is a built-in one (BUILTIN)
p2pban.toml:6:1: jail.manual.name: "manual" is the name of the bans made by hand; choose another`},
		{"a zero is not the default", map[string]string{"p2pban.toml": jailOK + "memory = \"0s\"\nguardleast = 0\nfactor = 0.0\nwiden = 0\nmaxretry = 0\n"}, `
p2pban.toml:2:1: jail.libp2p-flood.memory: must be above zero; leave it out for its default
p2pban.toml:3:1: jail.libp2p-flood.guardleast: must be above zero; leave it out for its default
p2pban.toml:4:1: jail.libp2p-flood.factor: must be above zero; leave it out for its default
p2pban.toml:6:1: jail.libp2p-flood.maxretry: 0: expected 1 to 281474976710656`},
		{"the fault is in the drop-in", map[string]string{
			"p2pban.toml":     jailOK + "bantime = 1\n",
			"p2pban.d/a.toml": "# comment\n[jail.libp2p-flood]\nbantime = \"1x\"\n",
			"p2pban.d/b.toml": "[firewall]\nbackend = \"nftable\"\n",
		}, `
p2pban.d/a.toml:3:1: jail.libp2p-flood.bantime: "1x" has an unknown unit at "x"; units are ms, s, m, h, d and w
p2pban.d/b.toml:2:1: firewall.backend: no backend is called "nftable"; did you mean "nftables"?`},
		{"syntax errors of every file", map[string]string{
			"p2pban.toml":     "[jail.x]\nfindtime = 3m\n",
			"p2pban.d/a.toml": "[jail.x]\n[jail.x]\n",
		}, `
p2pban.toml:2:13: jail.x: LIBRARY; this is no valid TOML: text and durations stand in "quotes", and the fault may be just before this place
p2pban.d/a.toml:2:2: LIBRARY; this is no valid TOML: text and durations stand in "quotes", and the fault may be just before this place`},
		{"columns are characters", map[string]string{"p2pban.toml": jailOK + `ignoreip = ["192.0.2.1", 'é…', 7]
`}, `
p2pban.toml:2:26: jail.libp2p-flood.ignoreip: "é…": expected an address (192.0.2.7), a network (192.0.2.0/24), a multiaddr (/ip4/192.0.2.7) or a peer id (12D3KooW…)
p2pban.toml:2:32: jail.libp2p-flood.ignoreip: expected a string, found a whole number`},
		{"too long", map[string]string{"p2pban.toml": strings.Repeat("#", maxFileBytes+1)}, `
p2pban.toml: longer than 1048576 bytes; is this a configuration file?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, tt.files)
			c, err := Load(filepath.Join(dir, "p2pban.toml"))
			var problems Problems
			if !errors.As(err, &problems) || c != nil {
				t.Fatalf("got %v, %v; want Problems and no Config", c, err)
			}
			want := strings.NewReplacer("BUILTIN", strings.Join(builtinNames(), ", "), "RULES", ruleNames("go-libp2p")).
				Replace(strings.TrimPrefix(tt.want, "\n"))
			got := strings.ReplaceAll(err.Error(), dir+"/", "")
			if d := cmp.Diff(lines(want), lines(blot(got, want))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// ruleNames lists the rules of an implementation.
func ruleNames(implementation string) string {
	var names []string
	for _, r := range parser.Builtin().Rules() {
		if r.Implementation == implementation {
			names = append(names, r.Name)
		}
	}
	return strings.Join(names, ", ")
}

func lines(s string) []string { return strings.Split(s, "\n") }

// blot replaces the TOML library's own words in got where want has LIBRARY.
func blot(got, want string) string {
	gl, wl := lines(got), lines(want)
	for i := range min(len(gl), len(wl)) {
		before, after, ok := strings.Cut(wl[i], "LIBRARY")
		if ok && strings.HasPrefix(gl[i], before) && strings.HasSuffix(gl[i], after) && len(gl[i]) > len(before)+len(after) {
			gl[i] = wl[i]
		}
	}
	return strings.Join(gl, "\n")
}
