package agent

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
)

// kernel is a backend whose bans stand, each with the time it has left, when
// nothing else is left of them.
type kernel interface {
	List(context.Context) ([]firewall.Ban, error)
	// Owned is an ErrOwned while the bans are another daemon's.
	Owned() error
}

// takeOverMax is how long systemd is asked to wait for the list of a firewall:
// that of 100,000 bans takes a second, of 500,000 half a minute.
const takeOverMax = 5 * time.Minute

// takeOver brings what stands in the kernel into force again, where the state
// file was damaged that said so and could not be read: the first Init would let all
// of them in. It saves them, for Init is the next.
func (e *engine) takeOver(ctx context.Context, doors []door) error {
	for _, d := range doors {
		k, ok := d.backend.(kernel)
		if !ok || k.Owned() != nil { // of what it is, Init tells
			continue
		}
		daemon.SdNotify(false, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", takeOverMax.Microseconds()))
		bans, err := k.List(ctx)
		if err != nil {
			e.taken = fmt.Sprintf("; the bans in %s could not be read, and were lifted: %v", d.name, err)
			e.log.Error("what stands in the firewall can't be taken over", "backend", d.name, "error", err)
			continue
		}
		decisions, refused := e.jails.TakeOver(e.now(), ends(bans))
		if err := e.store.SaveDecisions(ctx, decisions); err != nil {
			return stateHelp(err, e.store.Path())
		}
		n := 0
		for b := range e.jails.InForce() { // also those that a start took over which was killed
			if b.Evidence.Reason == jail.TakenOver {
				n++
			}
		}
		e.taken = fmt.Sprintf("; %d bans were taken over from %s, for the time they have left", n, d.name)
		lifted := named(refused)
		if lifted != "" {
			// The kernel does not know which an operator had forced; only he can say so again.
			e.taken += fmt.Sprintf(", and %d lifted, because they took in what is protected, ignored or special: %s (what you had banned with --force is among them: ban it anew)", len(refused), lifted)
		}
		e.log.Warn("bans were taken over from the firewall", "backend", d.name, "bans", n, "lifted", lifted)
	}
	return nil
}

// tellForgotten warns of bans that stand in the kernel where the state file is new:
// whoever removed it wants none of them, and whoever moved or lost it, or named
// another place for it, does not know that the first Init lifts them.
func tellForgotten(ctx context.Context, doors []door, path string, log *slog.Logger) {
	for _, d := range doors {
		k, ok := d.backend.(kernel)
		if !ok || k.Owned() != nil {
			continue
		}
		if bans, err := k.List(ctx); err == nil && len(bans) > 0 {
			log.Warn("the state file is new: bans that stand in the firewall are of an earlier one, and are lifted",
				"state", path, "backend", d.name, "bans", len(bans),
				"cure", "if that was not meant: stop p2pban, put the earlier state file there with what stands beside it, and start it")
		}
	}
}

// readEarlier is what is known of a file that was damaged before this start.
const readEarlier = "that was at an earlier start, whose log says what could be read of it and which bans were taken over"

// readAnyway says what a damaged state file has given.
func readAnyway(saved state.Saved) string {
	n := 0
	for i := range saved.Bans {
		if saved.Bans[i].Evidence.Reason != jail.TakenOver { // by a start that was killed
			n++
		}
	}
	said := fmt.Sprintf("%d of its bans could be read", n)
	if len(saved.Checkpoint.Snapshot) == 0 {
		return said + ", its windows and positions in the logs are lost"
	}
	return said + ", and its windows and positions in the logs"
}

// maxNamed is how many lifted bans are named.
const maxNamed = 8

// named lists prefixes, maxNamed of them at most, and says how many more there are.
func named(prefixes []netip.Prefix) string {
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	var names []string
	for _, p := range prefixes[:min(len(prefixes), maxNamed)] {
		names = append(names, p.String())
	}
	if more := len(prefixes) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// ends gives bans as the jails do.
func ends(bans []firewall.Ban) iter.Seq2[netip.Prefix, time.Time] {
	return func(yield func(netip.Prefix, time.Time) bool) {
		for _, b := range bans {
			if !yield(b.Prefix, b.Until) {
				return
			}
		}
	}
}
