package agent

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

const (
	// afterBanAlarm is how long events of banned hosts keep the alarm standing.
	afterBanAlarm = 5 * time.Minute
	// repairedAlarm is how long a repaired firewall keeps its alarm standing:
	// until then banned hosts got through, and who did it may do it again.
	repairedAlarm = time.Hour
	// lossAlarm is how long lines that were lost keep their alarm standing: a day,
	// for what is left of them may be judged by hand, and is rotated away in time.
	lossAlarm = 24 * time.Hour
)

// noteAside keeps an alarm standing until the operator has taken the damaged
// state file away.
func (e *engine) noteAside(now time.Time) {
	if e.aside == "" {
		return
	}
	what := "the state file was damaged, and is kept as " + e.aside + ": " + e.read + e.taken
	if _, err := os.Lstat(e.aside); errors.Is(err, fs.ErrNotExist) {
		what, e.aside = "", ""
	}
	e.alarms.set(now, "state", "aside", what, "look at the disk; `p2pban bans` shows who is out still, and `p2pban dry-run` on the logs whom the jails had out, to ban by hand; then move the damaged file away, which ends this alarm")
}

// noteGone tells of a state file that has no name any more.
func (e *engine) noteGone(now time.Time) {
	what := ""
	if e.store.Gone() {
		what = "the state file " + e.store.Path() + " was removed or replaced while the daemon has it open: what it decides is saved where the next start does not look"
	}
	e.alarms.set(now, "state", "gone", what, "`systemctl restart p2pban`: one that is stopped puts it back whole, if nothing stands in its place; one that is killed loses all bans")
}

// watch looks, every watchEvery, at what may need a person.
func (e *engine) watch(now time.Time) {
	for _, f := range e.enforcers {
		st := f.Status()
		what := ""
		if st.Error != "" {
			what = fmt.Sprintf("bans can't be brought to %s: %s", st.Backend, st.Error)
		}
		e.alarms.set(now, "firewall", st.Backend, what, f.hint())
		e.alarms.set(now, "repaired", st.Backend, repaired(now, st),
			"find out who does it, for banned hosts get through in between: "+disturbers(st.Backend)+"; journalctl -u p2pban has the time of each")
		what = ""
		if st.SocketError != "" {
			what = "the running connections of banned hosts can't be destroyed; their packets are dropped all the same: " + st.SocketError
		}
		e.alarms.set(now, "firewall", st.Backend+" sockets", what,
			"[firewall] node_netns must be the namespace of the node that runs now, and one that is not ours takes CAP_SYS_ADMIN; or set kill_sockets = false")
	}
	for _, s := range e.sources {
		e.watchSource(now, s)
	}
	e.watchJails(now)
	e.noteAside(now)
	e.noteGone(now)
	e.bus.tellLost()
}

// repaired says what somebody did to the firewall lately, and that it is mended.
func repaired(now time.Time, st control.FirewallStatus) string {
	if st.Disturbed == nil || now.Sub(*st.Disturbed) >= repairedAlarm {
		return ""
	}
	often := ""
	if st.Repaired > 1 {
		often = fmt.Sprintf(", %d times since the start", st.Repaired)
	}
	return fmt.Sprintf("at %s somebody else changed what we keep in %s%s, and it was put back: %s", st.Disturbed.Format(time.TimeOnly), st.Backend, often,
		strings.TrimPrefix(st.Disturbance, firewall.ErrGone.Error()+": "))
}

// disturbers says what is known to change what we keep in a backend.
func disturbers(backend string) string {
	switch backend {
	case "denyfile":
		return "another program writes the file, or removes it. It is p2pban's alone: [firewall] denyfile can name another"
	case "kubo":
		return "`ipfs swarm filters rm`, or another p2pban that keeps bans in the same node"
	case "iptables":
		return "`iptables -F` and what loads a whole ruleset (iptables-restore, a firewall's reload) take our rules along"
	}
	return "`nft flush ruleset`, as /etc/nftables.conf begins with, and what flushes whole tables take our rules along"
}

func (e *engine) watchSource(now time.Time, s *source) {
	what, st := "", s.stats()
	fix := "`p2pban check` says what is missing; reading begins by itself once it is there"
	switch state := s.state(st); {
	case state == stateReading:
	case state != stateStarting:
		what = fmt.Sprintf("source %s: %s", s.spec.Name, state)
	case now.Sub(s.made) >= readyMax:
		what = fmt.Sprintf("source %s: its first look at its log is not over after %s; what is written until then may not be read", s.spec.Name, roughly(now.Sub(s.made)))
		fix = "does the disk that the log is on answer? The first look goes on by itself"
	}
	if s.isStdin() {
		fix = "what wrote it has ended: start both again; bans stand meanwhile"
	}
	e.alarms.set(now, "source", s.spec.Name, what, fix)
	e.alarms.set(now, "source", s.spec.Name+" loss", losses(now, s, st),
		"reading goes on, and this alarm ends by itself after a day; `p2pban dry-run` on what is left of the log shows whom to ban by hand")
	for _, r := range s.risks.Info() {
		e.alarms.set(now, "forgeable", s.spec.Name+" "+r.Name, forgeable(s, r), "close the hole: "+r.Setting+"; p2pban knows that it is closed when it is started anew an hour after the last line that shows it")
	}
	e.watchFlow(now, s, st)
}

// losses says what of a source was not read lately, and never will be.
func losses(now time.Time, s *source, st sources.Stats) string {
	if len(st.Losses) == 0 || now.Sub(st.LastLoss) >= lossAlarm {
		return ""
	}
	what := fmt.Sprintf("source %s may have lost lines: %s", s.spec.Name, st.Losses[len(st.Losses)-1])
	if more := len(st.Losses) - 1; more > 0 {
		what += fmt.Sprintf(" (and %d more since the start)", more)
	}
	return what
}

// forgeable says what a hole in a source means now.
func forgeable(s *source, r parser.Risk) string {
	then := "its events are refused"
	if s.trust {
		then = "its events are believed all the same, because of trust = true"
	}
	return fmt.Sprintf("source %s can be forged: %s; %s", s.spec.Name, r.Summary, then)
}

// watchJails raises what the jails' counts tell.
func (e *engine) watchJails(now time.Time) {
	for _, cfg := range e.jails.Jails() {
		c, _ := e.jails.Counts(cfg.Name)
		w := e.watched[cfg.Name] // askCause's answer is kept in it
		if c.AfterBan > w.afterBan {
			if now.Sub(w.leaked) > diagnoseEvery {
				e.askCause(cfg.Name, c.LastAfterBan.Addr())
			}
			w.leaked = now
		}
		w.afterBan = c.AfterBan
		w.late.look(now, c)
		e.watched[cfg.Name] = w
		e.alarms.set(now, "late", cfg.Name, w.late.what(cfg.Name, cfg.FindTime),
			"compare the clock and the time zone of what writes the log with this machine's (`p2pban explain FILE` shows the times it reads); while a long backlog is read it passes by itself")
		what := ""
		if !w.leaked.IsZero() && now.Sub(w.leaked) < afterBanAlarm {
			what = fmt.Sprintf("hosts banned by jail %s still reach the node: %d events after their bans, the last of %s", cfg.Name, c.AfterBan, c.LastAfterBan)
		}
		e.alarms.set(now, "after-ban", cfg.Name, what, cmp.Or(w.cause,
			"is the node behind a proxy, or in a container or network namespace whose packets don't pass this host's firewall?"))
		what = ""
		if c.Holding > 0 {
			what = fmt.Sprintf("the eclipse guard of jail %s holds %d bans back: it would ban too many of the hosts seen lately", cfg.Name, c.Holding)
		}
		e.alarms.set(now, "guard", cfg.Name, what,
			"look at the hosts (`p2pban status "+cfg.Name+"`): an upgrade that makes every handshake fail looks like this; bans by hand still work")
	}
}

// watched is what watchJails saw of a jail the last time.
type watched struct {
	afterBan int64
	leaked   time.Time // when events after a ban last came
	cause    string    // what the firewall said about them
	late     lateness
}
