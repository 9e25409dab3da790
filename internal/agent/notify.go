package agent

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// statusEvery is how often systemd is told how things are, if that changed:
// `systemctl status` shows the latest.
const statusEvery = 5 * time.Second

// notifier tells systemd that the engine lives and how it is (sd_notify(3)).
// The engine's tick drives it, so that a hung engine is restarted, which a
// goroutine that only feeds the watchdog would hide.
type notifier struct {
	// watchdog is within what time systemd wants to hear of us, 0 for never.
	watchdog time.Duration
	fed      time.Time
	told     time.Time
	status   string
}

// newNotifier reads what systemd asks for from the environment.
func newNotifier(log *slog.Logger) notifier {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("systemd's watchdog can't be fed", "error", err)
	}
	return notifier{watchdog: d}
}

// tick feeds the watchdog and tells what summary gives. A message that can't
// be sent is sent anew with the next tick.
func (n *notifier) tick(now time.Time, summary func() string) {
	// Every third of the time leaves room for one that is late.
	if n.watchdog > 0 && now.Sub(n.fed) >= n.watchdog/3 {
		if sent, _ := daemon.SdNotify(false, daemon.SdNotifyWatchdog); sent {
			n.fed = now
		}
	}
	if now.Sub(n.told) < statusEvery {
		return
	}
	n.told = now
	if text := summary(); text != n.status {
		if sent, _ := daemon.SdNotify(false, "STATUS="+text); sent {
			n.status = text
		}
	}
}

// summary is the daemon in one line, alarms first.
func (e *engine) summary() string {
	var kinds []string
	for _, a := range e.alarms.list() {
		if len(kinds) == 0 || kinds[len(kinds)-1] != a.Kind {
			kinds = append(kinds, a.Kind)
		}
	}
	text := fmt.Sprintf("bans in force: %d, sources: %d", e.countInForce(""), len(e.sources))
	if len(kinds) > 0 {
		text = "ALARM " + strings.Join(kinds, ", ") + " (p2pban status); " + text
	}
	return text
}
