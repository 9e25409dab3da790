package agent

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/p2pban/p2pban/internal/control"
)

// alarms is what needs a person now. Each is raised once and stands until what
// raised it says that it is over.
type alarms struct {
	log     *slog.Logger
	publish func(control.Event)
	active  map[string]control.Alarm // by kind and subject
}

// set raises the alarm about subject while what is not empty, and clears it
// otherwise. A standing alarm whose text changes keeps its beginning.
func (a *alarms) set(now time.Time, kind, subject, what, fix string) {
	key := kind + "\x00" + subject
	old, standing := a.active[key]
	switch {
	case what == "" && standing:
		delete(a.active, key)
		a.log.Info("alarm over", "kind", kind, "was", old.What)
		a.publish(control.Event{Type: "alarm-over", Time: now, Alarm: &old})
	case what != "" && !standing:
		alarm := control.Alarm{Kind: kind, Since: now, What: what, Fix: fix}
		a.active[key] = alarm
		a.log.Warn("alarm", "kind", kind, "what", what, "fix", fix)
		a.publish(control.Event{Type: "alarm", Time: now, Alarm: &alarm})
	case what != "":
		old.What, old.Fix = what, fix
		a.active[key] = old
	}
}

// ofSources are the kinds whose subject begins with a source's name.
var ofSources = []string{"source", "forgeable", "silent", "unrecognised", "lag", "suppressed"}

// drop forgets the alarms of a source that is no more.
func (a *alarms) drop(source string) {
	for key := range a.active {
		kind, subject, _ := strings.Cut(key, "\x00")
		if name, _, _ := strings.Cut(subject, " "); name == source && slices.Contains(ofSources, kind) {
			delete(a.active, key)
		}
	}
}

// list gives the standing alarms, the most urgent and the oldest first.
func (a *alarms) list() []control.Alarm {
	out := make([]control.Alarm, 0, len(a.active))
	for _, al := range a.active {
		out = append(out, al)
	}
	slices.SortFunc(out, func(x, y control.Alarm) int {
		if d := slices.Index(control.AlarmKinds, x.Kind) - slices.Index(control.AlarmKinds, y.Kind); d != 0 {
			return d
		}
		if d := x.Since.Compare(y.Since); d != 0 {
			return d
		}
		return strings.Compare(x.What, y.What)
	})
	return out
}
