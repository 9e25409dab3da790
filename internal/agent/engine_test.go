package agent

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/state"
	"github.com/p2pban/p2pban/jail"
)

// newEngine is an engine that watches nothing and enforces nowhere.
func newEngine(t *testing.T) *engine {
	t.Helper()
	store, _, err := state.Open(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	jails, err := jail.New(nil, jail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &engine{log: slog.New(slog.DiscardHandler), now: time.Now, jails: jails, store: store, bus: newBus()}
}

// byHand gives the decisions of n bans.
func byHand(t *testing.T, e *engine, n int) (all []jail.Decision) {
	t.Helper()
	for i := range n {
		host := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		d, err := e.jails.Ban(time.Now(), jail.ManualBan{Prefix: netip.PrefixFrom(host, 32), For: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d...)
	}
	return all
}

func (e *engine) savedBans(t *testing.T) int {
	t.Helper()
	saved, err := e.store.BansAfter(t.Context(), nil, "", 1000) // more than a test saves
	if err != nil {
		t.Fatal(err)
	}
	return len(saved)
}

// The lines before a checkpoint are not read again, so a daemon that is killed
// after it must find the bans that they led to.
func TestCheckpointSavesWhatIsPending(t *testing.T) {
	e := newEngine(t)
	const n = 2*savedAtOnce + 1
	e.enforce(byHand(t, e, n))
	if got := e.savedBans(t); got != 0 || len(e.pending) != n {
		t.Fatalf("%d bans saved and %d pending before the checkpoint, want 0 and %d", got, len(e.pending), n)
	}
	e.checkpoint(t.Context())
	if got := e.savedBans(t); got != n || len(e.pending) != 0 {
		t.Errorf("%d bans saved and %d pending after the checkpoint, want %d and 0", got, len(e.pending), n)
	}
}

// Nobody is told of a ban that a killed daemon would forget.
func TestToldWhenSaved(t *testing.T) {
	e := newEngine(t)
	events, stop := e.bus.subscribe()
	defer stop()
	e.enforce(byHand(t, e, savedAtOnce+1))
	if len(events) != 0 {
		t.Fatalf("%d events before anything was saved", len(events))
	}
	e.savePending(t.Context())
	if got, told := e.savedBans(t), len(events); got != savedAtOnce || told != savedAtOnce {
		t.Errorf("%d bans saved and %d told of by one transaction, want %d", got, told, savedAtOnce)
	}
	e.savePending(t.Context())
	if got, told := e.savedBans(t), len(events); got != savedAtOnce+1 || told != savedAtOnce+1 {
		t.Errorf("%d bans saved and %d told of, want %d", got, told, savedAtOnce+1)
	}
}
