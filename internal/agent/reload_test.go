package agent

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/state"
)

// reloadable is a desk whose engine judges, and the configuration it runs with.
// Its source reads the log, if it is there.
func reloadable(t *testing.T, load func() (*config.Config, error), spec config.Source) (*desk, *config.Config) {
	t.Helper()
	cfg := config.Default()
	cfg.Firewall.Backend = "print"
	cfg.Daemon.State = filepath.Join(t.TempDir(), "state.db")
	cfg.Sources = []config.Source{spec, {Name: "other", Files: []string{filepath.Join(t.TempDir(), "other.log")}}}
	store, saved, err := state.Open(cfg.Daemon.State)
	if err != nil {
		t.Fatal(err)
	}
	a, err := build(t.Context(), Options{Config: cfg, Load: load, Log: slog.New(slog.DiscardHandler), Out: io.Discard}, store, saved, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { a.engine.saveDecisions(ctx) })
	running.Go(func() { a.engine.saveCheckpoints(ctx) })
	for _, s := range a.engine.sources {
		running.Go(func() { s.Run(ctx, a.engine.batches) })
	}
	running.Go(func() { a.engine.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		store.Close()
	})
	return a.desk, cfg
}

// TestReloadsAtOnce has a second reload come while the first has read the
// configuration and not taken it over: in force is what the second read.
func TestReloadsAtOnce(t *testing.T) {
	var older, newer config.Config
	read, goOn := make(chan struct{}), make(chan struct{})
	configs := make(chan *config.Config, 2)
	d, cfg := reloadable(t, func() (*config.Config, error) {
		c := <-configs
		if c == &older {
			close(read)
			<-goOn
		}
		return c, nil
	}, config.Source{Name: "node", Files: []string{filepath.Join(t.TempDir(), "node.log")}})
	older, newer = *cfg, *cfg
	older.Path, newer.Path = "/older.toml", "/newer.toml"
	configs <- &older
	configs <- &newer
	var both sync.WaitGroup
	reload := func() {
		if _, err := d.Reload(t.Context()); err != nil {
			t.Error(err)
		}
	}
	both.Go(reload)
	<-read
	second := make(chan struct{})
	both.Go(func() { reload(); close(second) })
	select {
	case <-second:
	case <-time.After(100 * time.Millisecond): // as it must, it waits for the first
	}
	close(goOn)
	both.Wait()
	if s, err := d.Status(t.Context()); err != nil || s.Config != newer.Path {
		t.Errorf("%v; in force is %s, want what was read last", err, s.Config)
	}
}

// TestReloadWithALogThatIsAway changes what has to do with other sources than the
// one that can't be read now, which goes on trying.
func TestReloadWithALogThatIsAway(t *testing.T) {
	var next *config.Config
	spec := config.Source{Name: "node", Units: []string{"kubo.service"}, Directory: filepath.Join(t.TempDir(), "journal")}
	d, cfg := reloadable(t, func() (*config.Config, error) { return next, nil }, spec)
	changed := *cfg
	changed.Jails = slices.Clone(cfg.Jails)
	changed.Jails[0].IgnoreIP = []string{"192.0.2.7"}
	next = &changed
	if reply, err := d.Reload(t.Context()); err != nil || len(reply.Changes) != 1 {
		t.Errorf("%+v, %v; want the jails changed", reply, err)
	}

	// A log that is new is another matter: its name may be mistyped.
	mistyped := changed
	mistyped.Sources = append(slices.Clone(cfg.Sources), config.Source{Name: "new", Units: []string{"kubo.service"}, Directory: filepath.Join(t.TempDir(), "journal")})
	next = &mistyped
	if _, err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "source new") || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("a journal that is not there: %v, want it refused", err)
	}
}

// TestReloadBesideATry changes how a source is read while it is being opened.
func TestReloadBesideATry(t *testing.T) {
	var next *config.Config
	spec := config.Source{Name: "node", Units: []string{"kubo.service"}, Directory: filepath.Join(t.TempDir(), "journal")}
	d, cfg := reloadable(t, func() (*config.Config, error) { return next, nil }, spec)
	s := d.engine.sources[0]
	stop := make(chan struct{})
	var tries sync.WaitGroup
	tries.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := s.make(""); err == nil {
					t.Error("a journal that is not there was opened")
				}
			}
		}
	})
	for i := range 20 {
		changed := *cfg
		changed.Sources = slices.Clone(cfg.Sources)
		changed.Sources[0].Trust = i%2 == 0
		next = &changed
		if _, err := d.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		var trusted bool
		if err := d.engine.ask(t.Context(), func() { trusted = s.reader("a stream").trust }); err != nil || trusted != changed.Sources[0].Trust {
			t.Fatalf("%v; trusted %v, want %v", err, trusted, changed.Sources[0].Trust)
		}
	}
	close(stop)
	tries.Wait()
}
