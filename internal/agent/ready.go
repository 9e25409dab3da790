package agent

import (
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// readyMax bounds how long the start waits for the sources: systemd ends one
// that takes 90 s (systemd-system.conf(5), DefaultTimeoutStartSec=).
const readyMax = 30 * time.Second

// becomeReady tells systemd that the daemon has started, once every source has
// looked at its log for the first time and where it begins is saved. What is
// written to a log from then on is read, whatever is done to the log or to us:
// the units that systemd starts after us may be the nodes.
func (e *engine) becomeReady(now time.Time) {
	if e.ready {
		return
	}
	if now.Sub(e.started) < readyMax {
		if slices.ContainsFunc(e.sources, (*source).awaited) {
			return
		}
		if e.checkpointDue && e.takeCheckpoint() {
			e.checkpointDue = false
		}
		if e.checkpointDue || e.checkpointing {
			return
		}
	}
	e.ready = true
	e.log.Info("watching", "bans", e.countInForce(""), "sources", len(e.sources), "jails", len(e.jails.Jails()), "config", e.configName())
	// systemd ignores it where the unit is not of Type=notify.
	daemon.SdNotify(false, daemon.SdNotifyReady)
}

// awaited tells whether the source is about to look at its log for the first
// time. Its first batch says that it has.
func (s *source) awaited() bool { return !s.looked && !s.isStdin() && s.failure() == "" }
